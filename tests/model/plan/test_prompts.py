"""Timed prompts: which text each section follows, and what is refused."""

import pytest

from farm.errors import InputError
from model.plan import Plan, make_plan
from model.plan.prompts import goes_on

I2V = "f1k1_x_g9_f1k1f2k2f16k4_td"


def plan_of(prompt: str, seconds: float = 6.0, blend: int = 0, order: str = "inverted") -> Plan:
    """By default five sections, which change at 1.23, 2.43, 3.63 and 4.83 s."""
    return make_plan(layout=I2V, order=order, seconds=seconds, seed=1, prompt=prompt, blend_sections=blend)


def prompts(prompt: str, **options) -> list[str]:
    return [section.prompt for section in plan_of(prompt, **options).sections]


def test_prompt_without_times_is_every_sections_as_written() -> None:
    text = "A girl  [in red: dress] 3:4 [2: not a time]"
    assert prompts(text) == [text] * 5


def test_text_outside_brackets_is_put_before_timed_texts_and_stands_alone_where_none_holds() -> None:
    found = prompts("A girl. [0s-1.2s: She waves.] [2.4s-6s: She walks.]")
    assert found == ["A girl. She waves.", "A girl.", *["A girl. She walks."] * 3]


def test_open_prompt_holds_until_the_next_or_the_end() -> None:
    assert prompts("[0s: one] [2.4s: two] [4.8s: three]") == ["one", "one", "two", "two", "three"]


@pytest.mark.parametrize("order", ["inverted", "vanilla", "bisect"])
def test_times_are_viewer_time_in_every_order(order: str) -> None:
    assert prompts("[0s-2s: first] [2s-6s: then]", order=order) == ["first", "first", *["then"] * 3]


@pytest.mark.parametrize(
    "first",
    [
        "[0 sec - 2 sec: one]", "[0:00-0:02: one]", "[0S-2S: one]", "[0-2: one]", "［0s－2s：one］",
        "【０秒】 [0s-2s: one]",
        "[0 seconds to 2 seconds: one]", "[0s–2s：one]", "[0.0-2.0s: one]", "[00:00 - 00:02.0: one]",
    ],
)  # fmt: skip
def test_times_are_understood_as_people_write_them(first: str) -> None:
    base = "【０秒】 " if first.startswith("【") else ""
    assert prompts(f"{first} [2s-end: two]") == [f"{base}one"] * 2 + [f"{base}two"] * 3


@pytest.mark.parametrize("text", ["[red]", "[16:9]", "a [3: 4] b", "[4:3 frame]", "[0.5: half]", "(a:1.2) [b:0.8]"])
def test_brackets_that_name_no_time_are_part_of_the_text(text: str) -> None:
    assert prompts(text) == [text] * 5
    assert prompts(f"{text} [0s: one]") == [f"{text} one"] * 5


def test_the_last_prompt_goes_on_where_nothing_else_holds() -> None:
    text = "[0s: up] [1.1s: arm] [2.2s-3.3s: rest]"
    assert prompts(text) == ["up", "arm", "rest", "rest", "rest"]
    assert goes_on(text, 6.0) == 3.3
    assert goes_on(text, 3.3) is None and goes_on("a. " + text, 6.0) is None and goes_on("a", 6.0) is None
    assert prompts("A. [0s-1.2s: up]")[1:] == ["A."] * 4


def test_brackets_may_stand_in_any_order_and_spacing() -> None:
    assert prompts("[ 2.4 s - 6s :two ]\n[0-2.4s: one]") == ["one", "one", "two", "two", "two"]


def test_new_prompt_is_blended_in_over_even_steps() -> None:
    sections = plan_of("[0s: one] [2.4s: two]", seconds=12, blend=3).sections
    assert [section.prompts for section in sections[1:6]] == [
        (("one", 1.0),),
        (("one", 0.75), ("two", 0.25)),
        (("one", 0.5), ("two", 0.5)),
        (("one", 0.25), ("two", 0.75)),
        (("two", 1.0),),
    ]


def test_blending_leaves_each_prompt_one_section_of_its_own() -> None:
    sections = plan_of("[0s: one] [2.4s: two] [4.8s: three]", blend=10).sections
    assert [section.blend for section in sections] == [0, 0, 0.5, 0, 0]


def test_plan_knows_all_prompts_to_encode() -> None:
    assert plan_of("[0s: one] [2.4s: two]", blend=2).prompts == ("one", "two")


def test_length_asked_for_may_be_named_though_the_video_is_shorter() -> None:
    assert prompts("[0s-2s: one] [2s-5s: two]", seconds=5) == ["one", "one", "two", "two"]


def test_timed_prompts_change_the_digest_and_one_prompt_does_not() -> None:
    assert plan_of("[0s: one]").digest() == plan_of("one").digest()
    digests = {plan_of("[0s: one] [2.4s: two]", blend=blend).digest() for blend in (0, 1, 2)}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("[0s-3s: one] [2s-6s: two]", "overlap"),
        ("[2s: one] [2s: two]", "overlap"),
        ("[0s-2s: one] [4s-6s: two]", r"no prompt holds from 2\.4 s to 3\.6 s"),
        ("[2s: late]", r"no prompt holds from 0\.0 s"),
        ("a [0s-7s: long]", r"beyond the video's end at 6\.03 s"),
        ("a [9s: never]", "beyond the video's end"),
        ("a [0s-2s: ]", "is empty"),
        ("a [2s-2s: none]", "ends before it begins"),
        ("a [3s-2s: back]", "ends before it begins"),
        ("a [1.3s-1.5s: blink]", r"reaches no section's middle; sections change at 1\.2 s, 2\.4 s"),
        ("a [2s-4s text]", "can't be read; expected"),
        ("a [2s: open", "can't be read; expected"),
        ("a [-1s-2s: early]", "can't be read; expected"),
        ("a [1,5s: comma]", "can't be read; expected"),
        ("a [0s: nested [2s: in] it]", "can't be read; expected"),
    ],
)
def test_prompt_that_cannot_be_followed_is_refused_in_one_line(prompt: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        plan_of(prompt)
    assert "\n" not in str(caught.value)
