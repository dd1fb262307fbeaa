"""``farm storyboard``: checked, then queued."""

import json
from pathlib import Path

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
    assert "hello, sections 0 to 1" in shown and "The puppet jumps." in shown and "film" in run("jobs").out
    assert json.loads(run("storyboard", tmp_path / "film.toml", "--json").out)["shots"][1]["name"] == "2"


def test_what_is_wrong_is_named(run, farm: LiveFarm, tmp_path: Path) -> None:
    found = run("storyboard", tmp_path / "none.toml")
    assert found.code == 2 and "there is no file" in found.err and "[[shots]]" not in found.out
