"""``farm storyboard``: checked, then queued."""

import json
from pathlib import Path

import pytest

from tests.support.api import LiveFarm, picture

FILM = """
name = "Morning"
[every]
picture = "a.png"
[[shots]]
name = "hello"
prompt = "The puppet waves."
seconds = 2.4
[[shots]]
prompt = "The puppet jumps."
seconds = 1.2
transition = "fade:0.2"
"""


def test_storyboard_is_checked_and_queued(run, farm: LiveFarm, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "film.toml").write_text(FILM)
    shown = run("storyboard", tmp_path / "film.toml", "--check", "--steps", 3)
    assert shown.code == 0 and "hello" in shown.out and "3.40 s in 3 sections" in shown.out
    queued = run("storyboard", tmp_path / "film.toml", "--steps", 3)
    assert queued.code == 0 and "2 videos side by side" in queued.err
    with farm.client() as client:
        found = client.job(queued.out.strip())
    assert found["job"]["name"] == "Morning" and [shot["request"]["steps"] for shot in found["shots"]] == [3, 3]
    shown = run("show", queued.out.strip()).out
    assert "hello, sections 0 to 1:" in shown and "puppet, order bisect, seed 31337, 3 steps" in shown
    assert "The puppet jumps." in shown and "3.4 s" in run("jobs").out
    assert json.loads(run("storyboard", tmp_path / "film.toml", "--json").out)["shots"][1]["name"] == "2"


def test_what_shots_do_not_have_in_common_stands_with_each(run, farm: LiveFarm, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "film.toml").write_text(FILM + "seed = 4\nsteps = 2\n")
    shown = run("show", run("storyboard", tmp_path / "film.toml", "--steps", 3).out.strip()).out
    assert "settings  puppet, order bisect\n" in shown
    assert "sections 0 to 1, seed 31337, 3 steps: The puppet waves." in shown
    assert "section 2, seed 4, 2 steps: The puppet jumps." in shown


def test_what_is_wrong_is_named(run, farm: LiveFarm, tmp_path: Path) -> None:
    found = run("storyboard", tmp_path / "none.toml")
    assert found.code == 2 and "there is no file" in found.err and "[[shots]]" not in found.out


def test_film_is_checked_for_this_machine_without_a_farm(
    run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FARM_URL", raising=False)
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "film.toml").write_text(FILM)
    checked = ("storyboard", tmp_path / "film.toml", "--check", "--out", tmp_path / "film.mp4")
    shown = run(*checked)
    assert shown.code == 0 and "hello" in shown.out and "3.40 s in 3 sections" in shown.out
    planned = json.loads(run(*checked, "--json").out)
    assert [request["prompt"] for request in planned["requests"]] == ["The puppet waves.", "The puppet jumps."]
    assert not (tmp_path / "film.mp4").exists() and not (tmp_path / "home").exists()
