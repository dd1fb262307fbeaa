"""Families whose sections are decoded alone and continue a history: what sections see, and which frames they make."""

import pytest

from farm.errors import InputError
from model.decoding import Decoding
from model.plan import Given, Plan, Rules, make_plan

HELIOS = Rules(sections_alone=True, start_in_history=True)
LAYOUT = "f1k1_x_td_f16k4f2k2f1k1_g9"


def plan(given: Given, sections: int = 4, rules: Rules = HELIOS, exact_length: bool = False) -> Plan:
    seconds = 33 * sections / 24
    return make_plan(
        layout=LAYOUT,
        order="vanilla",
        seconds=seconds,
        seed=1,
        prompt="a",
        fps=24,
        given=given,
        rules=rules,
        exact_length=exact_length,
    )


def seen(made: Plan, index: int) -> list[int | None]:
    return [slot.latent for slot in made.sections[index].slots]


def test_time_indices_are_the_same_in_every_section() -> None:
    for section in plan(Given(start_image=False)).sections:
        assert [slot.index for slot in section.slots] == list(range(20)) and section.window_index == 20


def test_a_video_of_nothing_keeps_the_first_frame_that_it_makes() -> None:
    made = plan(Given(start_image=False))
    assert seen(made, 0) == [None] * 20
    assert seen(made, 1) == [1, *[None] * 10, *range(1, 10)]
    assert seen(made, 3) == [1, *range(9, 28)]
    assert [section.predecessors for section in made.sections] == [(), (0,), (0, 1), (0, 1, 2)]
    assert made.given_seed is None


def test_a_picture_stands_in_the_start_slot_and_next_to_the_first_section() -> None:
    made = plan(Given())
    assert seen(made, 0) == [0, *[None] * 18, -1]
    assert seen(made, 1) == [0, *[None] * 9, -1, *range(1, 10)]
    assert made.given_seed is not None and not made.shows_start


def test_a_video_fills_the_history() -> None:
    made = plan(Given(extend="end", context_latents=5))
    assert seen(made, 0) == [0, *range(-19, 0)]
    assert seen(made, 1) == [0, *range(-10, 0), *range(1, 10)]


def test_sections_share_no_frame() -> None:
    made = plan(Given())
    chunks = [Decoding(before=0, alone=True).chunk(made, section.index) for section in made.sections]
    assert [chunk.frames for chunk in chunks] == [range(33 * i, 33 * (i + 1)) for i in range(4)]
    assert [chunk.latents for chunk in chunks] == [range(1 + 9 * i, 10 + 9 * i) for i in range(4)]
    assert {chunk.skip for chunk in chunks} == {0} and made.first_frame == 0
    assert made.frames == made.output_frames == 132
    assert Decoding(before=0, alone=True).overlaps(made, 1) == (0, 0)


def test_an_exact_length_is_trimmed_at_the_end() -> None:
    made = make_plan(
        layout=LAYOUT, order="vanilla", seconds=2, seed=1, prompt="a", fps=24, rules=HELIOS, exact_length=True
    )
    assert (len(made.sections), made.output_frames) == (2, 48)


def test_rules_are_in_the_digest_where_they_are_not_the_usual_ones() -> None:
    usual = plan(Given(), rules=Rules())
    assert '"rules"' not in usual.to_json() and usual.digest() != plan(Given()).digest()


def test_what_looks_ahead_is_refused() -> None:
    with pytest.raises(InputError, match="sees no future"):
        plan(Given(end_strength=1.0))
    with pytest.raises(InputError, match="needs context after the window"):
        make_plan(layout=LAYOUT, order="bisect", seconds=4, seed=1, prompt="a", fps=24, rules=HELIOS)
