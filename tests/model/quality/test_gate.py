"""The gate knows what was there before a section alone, and says the same whenever it is asked."""

import pytest

from model.quality.calibration import true_clip
from model.quality.faults import Pieces, plant
from model.quality.gate import MOST_TAKES, Around, Verdict, best_take, judge, take_seed
from model.quality.measures import measure


@pytest.fixture(scope="module")
def clip() -> Pieces:
    return true_clip(3)


def test_of_several_given_pictures_a_section_is_judged_by_the_one_that_it_is_most_like(clip: Pieces) -> None:
    other = [piece.flip(dims=[3]) for piece in clip]
    mine, theirs = measure(clip[0][:1]), measure(other[0][:1])
    section = measure(clip[4])
    assert judge(section, Around((mine,))).wrong == ()
    assert "look" in judge(section, Around((theirs,))).wrong
    both, alone = judge(section, Around((theirs, mine))), judge(section, Around((mine,)))
    assert both.wrong == () and both.score == alone.score and both.values["look"] == alone.values["look"]


def test_without_a_picture_a_section_is_judged_by_what_touches_it(clip: Pieces) -> None:
    clip = plant("seam", clip, 4, [])
    verdict = judge(measure(clip[4]), Around((), measure(clip[3][-4:])))
    assert verdict.wrong == ("seam",) and "tint" not in verdict.values
    after = judge(measure(clip[3]), Around((), after=measure(clip[4][:4])))
    assert after.values["seam"] == verdict.values["seam"]
    assert judge(measure(clip[4]), Around()).wrong == ()


def test_the_score_is_that_of_the_worst_value_and_above_one_outside() -> None:
    assert Verdict({}).score == Verdict({"tint": 0.0, "look": 1.0, "blur": 1.2, "noise": 0.8}).score == 0
    assert Verdict({"tint": 0.015, "look": 0.97, "seam": 1.1}).score == 0.5
    assert (Verdict({"tint": 0.03, "look": 0.85}).score, Verdict({"tint": 0.03, "look": 0.85}).wrong) == (1, ())
    assert (Verdict({"look": 0.7, "blur": 0.5}).score, Verdict({"look": 0.7, "blur": 0.5}).wrong) == (
        2,
        ("look", "blur"),
    )


def test_of_equal_scores_the_first_take_is_the_best() -> None:
    assert best_take({2: 0.5, 1: 0.5, 0: 0.6}) == 1


def test_every_take_has_a_seed_of_its_own_and_the_first_one_the_plans() -> None:
    seeds = {take_seed(7, take) for take in range(MOST_TAKES + 1)}
    assert len(seeds) == MOST_TAKES + 1 and take_seed(7, 0) == 7 and max(seeds) < 2**63
    assert take_seed(7, 1) == 7083732308420864567
