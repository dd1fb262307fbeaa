"""``farm bench video``: that it measures, not how fast this machine is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cluster.bench_video import SHARE_BAR


@pytest.mark.ray
@pytest.mark.slow
def test_video_tells_what_the_farm_wastes_from_what_the_machine_lacks(tmp_path: Path) -> None:
    """In a process of its own: this one may be connected to a Ray that tests share."""
    numbers = tmp_path / "video.json"
    command = [sys.executable, "-m", "farm", "bench", "video", "--seconds", "4", "--json", str(numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("a video of 4 s") == 2
    found = json.loads(numbers.read_text())
    assert (found["replicas"], found["family"], found["order"], found["bar"]) == (2, "puppet", "bisect", SHARE_BAR)
    (one,), (ratios,) = found["videos"], found["ratios"]
    assert one["tasks"] == 2 * one["sections"] + 2
    assert 0 < one["ideal"] <= one["wall"] and ratios["share"] == pytest.approx(one["ideal"] / one["wall"])
    assert ratios["speedup"] == pytest.approx(one["alone"] / one["wall"]) and 1 < one["bound"] <= 2
    assert one["slower"] > 0 and one["trail"] > 0


def test_nonsense_is_refused_in_one_line(run) -> None:
    outcome = run("bench", "video", "--seconds", "0")
    assert outcome.code == 2 and "--seconds" in outcome.err and "Traceback" not in outcome.err
