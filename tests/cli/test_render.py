"""``farm render``: what it asks for, without rendering it."""

import json
from pathlib import Path
from typing import Any

import pytest

from farm.intake.request import Accepted
from tests.support.api import picture


@pytest.fixture
def accepted(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Accepted]:
    """What would have been rendered."""
    found: list[Accepted] = []

    def keep(settings: Any, accepted: Accepted, *rest: Any) -> None:
        found.append(accepted)

    monkeypatch.setattr("farm.cli.render.render_here", keep)
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return found


def test_the_same_command_asks_for_the_same_video_and_a_seed_of_a_file_counts(
    run, accepted: list[Accepted], tmp_path: Path
) -> None:
    (tmp_path / "start.png").write_bytes(picture())
    (tmp_path / "made.json").write_text(json.dumps({"request": {"prompt": "The puppet waves.", "seed": 42}}))
    for more in (("-p", "x"), ("-p", "x"), ("--from", "made.json"), ("--from", "made.json", "--seed", "7")):
        assert run("render", "start.png", *more).err == ""
    assert [each.request.seed for each in accepted] == [31337, 31337, 42, 7]
