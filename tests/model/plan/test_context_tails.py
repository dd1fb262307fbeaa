"""Tails: frames beyond the slots of a history."""

import pytest

from farm.errors import InputError
from model.plan import make_plan
from model.plan.context import ContextSlot, place_context
from model.plan.layout import Layout


def tail_of(
    layout: str, start: int, past_end: int, future: int | None = None, end: int | None = None
) -> list[ContextSlot]:
    context = place_context(Layout.parse(layout), start, past_end, future, video_end=end)
    return [slot for slot in context.slots if slot.tail]


def test_dropped_tail_has_no_slots() -> None:
    assert tail_of("td_f2k2f1k1_g9", 30, 30) == []
    assert tail_of("f1k1_x_g9_f1k1f2k2f16k4_td", 10, 1, 19, 90) == []


def test_past_tail_lies_right_before_the_history_and_leaves_out_the_start() -> None:
    """Latent 0 is in the start slot; 27 latents are in slots; the tail is what lies between."""
    slots = tail_of("f1k1_x_ta_f24k4f2k2f1k1_g9", 37, 37)
    assert [slot.latent for slot in slots] == list(range(1, 10))
    assert [slot.index for slot in slots] == list(range(1, 10))
    assert {(slot.side, str(slot.kernel), slot.tail) for slot in slots} == {("past", "k1", "ta")}
    context = place_context(Layout.parse("f1k1_x_ta_f24k4f2k2f1k1_g9"), 37, 37, None)
    assert context.window_index == 37


def test_far_frames_of_a_tail_share_the_largest_distance() -> None:
    past = tail_of("tc_f2k2f1k1_g9", 100, 100)
    assert len(past) == 97 and [slot.index for slot in past] == [0] * 70 + list(range(27))
    future = tail_of("f1k1_x_g9_f1k1f2k2_tc", 1, 1, 10, 100)
    first = 1 + 9 + 3
    assert [slot.latent for slot in future] == list(range(13, 100))
    assert [slot.index for slot in future] == [first + i for i in range(26)] + [first + 26] * 61
    assert {str(slot.kernel) for slot in past + future} == {"k2"}


def test_history_that_holds_everything_has_no_tail() -> None:
    assert tail_of("ta_f16k4f2k2f1k1_g9", 10, 10) == []


@pytest.mark.parametrize("order", ["vanilla", "inverted", "endpoints", "bisect", "fanout:4"])
def test_tail_holds_finished_frames_only(order: str) -> None:
    layout = "f1k1_x_ta_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_ta"
    plan = make_plan(layout=layout, order=order, seconds=12, seed=1, prompt="p")
    tails = 0
    for section in plan.sections:
        tail = [slot for slot in section.slots if slot.tail]
        tails += len(tail)
        assert all(slot.latent is not None for slot in tail)
        made_in = {(slot.latent - 1) // 9 for slot in tail if slot.latent}
        assert made_in <= set(section.predecessors)
        assert len({slot.latent for slot in tail}) == len(tail)
    assert tails > 50


def test_plan_without_tails_keeps_its_digest() -> None:
    """Digests of running jobs are stored; these were taken before tails and long kernels existed."""
    plan = make_plan(layout="f1k1_x_g9_f1k1f2k2f16k4_td", order="inverted", seconds=6, seed=1, prompt="p")
    assert plan.digest()[:16] == "cd8f8e3250d00d5a"


def test_long_plan_with_tails_is_refused() -> None:
    common = {"order": "inverted", "seconds": 300, "seed": 1, "prompt": "p"}
    assert make_plan(layout="f1k1_x_g9_f1k1f2k2f16k4_td", **common).sections
    with pytest.raises(InputError, match=r"250 sections.*200 are possible"):
        make_plan(layout="f1k1_x_g9_f1k1f2k2f16k4_ta", **common)
