"""On the shipped puppet: what ``motion_bias`` and ``consistency_boost`` do to a clip."""

import pytest

from model.families import load
from model.family import SamplingParams
from model.puppet.controls import measure_controls
from model.puppet.quality import held_out_puppet
from tests.support.machine import here


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, list[float]]]:
    puppets = [held_out_puppet(index) for index in (0, 4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FARM_PUPPET_PATH", raising=False)
        shipped = load("puppet", here())
    return measure_controls(shipped, puppets, order="bisect", seconds=3.6, params=SamplingParams(steps=6))


def test_motion_bias_moves_motion_to_either_end(found: dict[str, dict[str, list[float]]]) -> None:
    share = {bias: thirds[2] / thirds[0] for bias, thirds in found["motion"].items()}
    assert share["-1"] < 0.8 * share["0"]
    assert share["1"] > 1.25 * share["0"]


@pytest.mark.parametrize("clips", ["colours", "tinted"])
def test_consistency_boost_takes_drift_and_jumps_away(found: dict[str, dict[str, list[float]]], clips: str) -> None:
    drift, seam, inside = zip(*found[clips].values(), strict=True)
    assert drift[0] > drift[1] > drift[2] and drift[2] < 0.2 * drift[0]
    assert seam[0] > seam[1] > seam[2] and seam[2] < 0.6 * seam[0]
    assert inside[2] < 1.5 * inside[0]
