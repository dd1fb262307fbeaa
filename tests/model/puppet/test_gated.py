"""What `farm bench gate` and `farm bench orders` render, on a model of random weights."""

from pathlib import Path

import pytest

from model.family import SamplingParams
from model.puppet.bench import Work
from model.puppet.gated import GateWork, judge_gated
from model.puppet.orders import SCORES, Clip, Mean, beside, bounds, judge_order, means, prepare, renderer
from tests.support.farms import puppet_at
from tests.support.machine import here

PARAMS = SamplingParams(steps=1)


@pytest.fixture(scope="module", autouse=True)
def prepared(tiny_folder: Path):
    with puppet_at(tiny_folder):
        prepare(here())
        yield


def test_without_a_gate_a_clip_is_that_of_its_order(tmp_path: Path) -> None:
    plain = judge_order(Work(3, 2.4, "vanilla", PARAMS))
    assert set(plain.scores) == set(SCORES)
    gated = judge_gated(GateWork(3, 2.4, "vanilla", 0, PARAMS))
    assert gated.scores == plain.scores and (gated.sections, gated.rendered) == (2, 2)
    again = judge_gated(GateWork(3, 2.4, "vanilla", 1, PARAMS))
    assert gated.outside == 2 and again.rendered == 4  # random weights are outside at once
    assert Clip(**plain.to_json()) == plain


def test_means_have_their_standard_error() -> None:
    scores = [dict.fromkeys(SCORES, value) for value in (1.0, 2.0, 3.0)]
    found = means(Clip("vanilla", index, 20.0, each) for index, each in enumerate(scores))
    assert found["tint"].value == 2 and found["tint"].error == pytest.approx(3**-0.5)
    base = [Clip("bisect", index, 20.0, dict.fromkeys(SCORES, index + 0.5)) for index in (1, 2, 7)]
    more = beside([Clip("vanilla", index, 20.0, each) for index, each in enumerate(scores)], base)
    assert more["tint"] == Mean(0.5, 0.0) and beside([], base) == {}
    assert Mean.of([4.0]) == Mean(4.0, 0.0) and means([]) == {}


def test_bounds_are_those_of_the_plan() -> None:
    info = renderer().info
    assert bounds(info, "vanilla", 20.0, (1, 8)) == {1: 17, 8: 17}
    assert bounds(info, "bisect", 20.0, (1, 2, 8)) == {1: 17, 2: 9, 8: 5}
