"""farm disk over a real server."""

import json

from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, picture


def test_disk_shows_what_there_is_and_makes_room(run, farm: LiveFarm, tmp_path) -> None:
    (tmp_path / "start.png").write_bytes(picture())
    job = run("submit", tmp_path / "start.png", "-p", "Disk", "-s", "1.2", "--steps", "1").out.strip()
    render_in_process(farm.store, farm.artifacts, job, settings=farm.settings)
    shown = run("disk")
    assert shown.code == 0 and "latents" in shown.out and "sections are kept for 30 days" in " ".join(shown.out.split())
    before = json.loads(run("disk", "--json").out)
    assert before["sizes"]["latents"] > 0 and before["spare"] >= before["due"] > 0
    assert run("disk", "--free", "--yes").code == 0
    after = json.loads(run("disk", "--json").out)
    assert after["sizes"]["latents"] == after["sizes"]["work"] == 0 and after["sizes"]["video"] > 0
    assert "video" in run("show", job).out
    (farm.settings.logs_dir / "service.log").write_bytes(b"x" * 1000)
    logs = [path.stat().st_size for path in farm.settings.artifacts_dir.glob(f"jobs/{job}/logs/*.txt")]
    found = json.loads(run("disk", "--json").out)
    assert sum(logs) == found["sizes"]["logs"] > 0 and found["sizes"]["service_logs"] == 1000
    assert found["total"] == sum(found["sizes"].values()) and "they go when their job is deleted" in run("disk").out
