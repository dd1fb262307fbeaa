"""``farm exporters``, of the farm and of this machine."""

import json

import pytest

from farm.cli import main
from tests.support.api import LiveFarm


def test_exporters_and_their_options_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["exporters"]) == 0
    listed = capsys.readouterr().out
    assert "webm" in listed and "contact-sheet" in listed
    assert main(["exporters", "WebM"]) == 0
    shown = capsys.readouterr().out
    assert "0 to 63" in shown and "vp9, av1" in shown
    assert main(["exporters", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["gif"]["options"][0]["name"] == "fps" and found["mp4"]["carries_sound"]
    assert main(["exporters", "wbem"]) == 2 and "Did you mean 'webm'" in capsys.readouterr().err


def test_those_of_a_farm_are_listed(run, farm: LiveFarm) -> None:
    listed = run("exporters")
    assert listed.code == 0 and "webm" in listed.out and "upscale" in listed.out
    assert listed.err == f"(of the farm at {farm.url})\n"
    assert "vp9, av1" in run("exporters", "WebM").out
    assert run("exporters", "upscale", "--json").code == 0
    assert "Did you mean 'webm'" in run("exporters", "wbem").err
