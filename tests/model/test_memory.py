"""Memory plans: cards get the plan that fits them, and running out of memory leads to the next smaller one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import FarmError, InputError
from model.memory import PLACEMENTS, footprint, next_smaller, plan_memory

RELEASED_13B = footprint("framepack")


@pytest.mark.parametrize(
    ("card", "host", "name"),
    [(6, 32, "streamed"), (12, 32, "streamed"), (16, 32, "fp8"), (24, 32, "hot"), (32, 64, "transformer"),
     (48, 64, "resident"), (80, 128, "resident"), (6, 24, "streamed-fp8")],
)  # fmt: skip
def test_a_card_gets_the_fastest_plan_that_fits(card, host, name):
    assert plan_memory(RELEASED_13B, card, host).name == name


def test_the_hot_set_fits_a_24_gb_card_without_offload():
    plan = plan_memory(RELEASED_13B, 24, 32)
    transformer = plan.rows[0]
    assert transformer.where == "card (bf16)" and transformer.card == pytest.approx(18.14, abs=0.05)


def test_decoding_in_one_piece_fits_large_cards_only():
    assert plan_memory(RELEASED_13B, 80, 128).one_piece and not plan_memory(RELEASED_13B, 12, 32).one_piece


def test_memory_kept_for_others_leads_to_a_smaller_plan():
    assert plan_memory(RELEASED_13B, 24, 32, preserve=6).name == "fp8"


def test_nothing_fits_says_what_is_needed():
    with pytest.raises(FarmError, match=r"offers 3\.0 GB .* smallest plan needs"):
        plan_memory(RELEASED_13B, 4, 16)


def test_an_unknown_placement_suggests_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'streamed'"):
        plan_memory(RELEASED_13B, 24, 64, smallest="stream")


def test_out_of_memory_leads_to_less_on_the_card_but_the_same_pixels():
    path = ["resident"]
    while smaller := next_smaller(path[-1]):
        path.append(smaller)
    assert path == ["resident", "transformer", "hot", "streamed"]
    assert next_smaller("fp8") == "streamed-fp8" and next_smaller("streamed-fp8") is None
    assert len({PLACEMENTS[name].weight_bytes for name in path}) == 1


@given(card=st.floats(5, 200), host=st.floats(25, 300), preserve=st.floats(0, 2))
def test_a_plan_never_needs_more_than_there_is(card, host, preserve):
    try:
        plan = plan_memory(RELEASED_13B, card, host, preserve=preserve)
    except FarmError:
        return
    assert plan.card <= card - preserve and plan.host <= host
    assert plan.card >= plan.rows[0].card


@given(card=st.floats(6, 200), more=st.floats(0, 100))
def test_more_memory_never_leads_to_a_slower_plan(card, more):
    names = list(PLACEMENTS)
    rank = [names.index(plan_memory(RELEASED_13B, size, 64).name) for size in (card, card + more)]
    assert rank[1] <= rank[0]


def test_a_small_model_stays_resident_anywhere():
    small = dict.fromkeys(("hot", "ahead", "block", "text", "image", "vae"), 0.002)
    tiny = replace(RELEASED_13B, **small, tile=0.1, decoding=0.1, activations=0.05)
    assert plan_memory(tiny, 4, 8).name == "resident"


def test_blocks_of_a_file_take_what_they_take_there() -> None:
    """A file of 7.9 GB (Q4_K) fits where fp8 does not, and is never rounded to 8 bits again."""
    in_blocks = replace(RELEASED_13B, stored=7.9 / RELEASED_13B.transformer)
    assert plan_memory(RELEASED_13B, 12, 32).name == "streamed"
    plan = plan_memory(in_blocks, 12, 32)
    assert plan.name == "hot" and "blocks of the file" in plan.rows[0].where and plan.rows[0].card < 6
    assert plan_memory(in_blocks, 6, 32).name == plan_memory(in_blocks, 12, 32, smallest="fp8").name == "streamed"
