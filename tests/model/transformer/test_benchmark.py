"""The benchmark: both classes on the same weights and section."""

import json

import pytest

from farm.cli.app import main
from farm.errors import InputError
from model.transformer.benchmark import compare, measure


def test_both_classes_predict_the_same_from_the_same_weights() -> None:
    base, ours, away = (measure(variant, "tiny", "cpu", 3) for variant in ("diffusers", "packed", "packed-away"))
    assert ours.difference(base) == away.difference(base) == 0
    assert base.tflop > 0 and base.flow.abs().max() > 0
    for row in (base, ours, away):
        assert row.seconds > 0 and row.step_seconds > 0 and row.peak_gb > 0.05 and row.attention == "native"


def test_command_prints_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "transformer", "--config", "tiny", "--steps", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["variant"] for row in report["rows"]] == ["diffusers", "packed"]
    assert report["rows"][0]["speedup"] == 1 and report["rows"][1]["largest_difference"] == 0


def test_unknown_size_and_device_are_refused() -> None:
    with pytest.raises(InputError, match="small"):
        compare("smal", "cpu", 1, ("packed",))
    with pytest.raises(InputError, match="cuda"):
        measure("packed", "tiny", "cuda:77", 1)
