"""The layout grammar: Table 1 of arXiv 2504.12626, token counts and the length law."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import InputError
from model.plan import Layout
from model.plan.layout import Kernel

# Table 1: histories in time order, with their cost in latent frames through k1 (without window), by hand from
# frames / (kernel volume / 4).
PAST = {
    "f8k8f4k4f2k2f1k1": Fraction(8, 512) + Fraction(4, 64) + Fraction(2, 8) + 1,
    "f64k8f16k4f4k2f1k1": Fraction(64, 512) + Fraction(16, 64) + Fraction(4, 8) + 1,
    "f512k8f64k4f8k2f1k1": Fraction(4),
    "f512k16f64k8f8k2f1k1": Fraction(9, 4),
    "f16k4f4k2f1k1": Fraction(7, 4),
}
RELEASED = "f16k4f2k2f1k1"
FUTURE = [
    "f1k1f2k2f4k4f8k8",
    "f1k1f4k2f16k4f64k8",
    "f1k1f8k2f64k4f512k8",
    "f1k1f8k2f64k8f512k16",
    "f1k1f4k2f16k4",
]
VANILLA = [
    *((f"td_{past}_g9", cost) for past, cost in PAST.items()),
    *((f"td_{RELEASED}_g{window}", Fraction(3, 2)) for window in (1, 4, 9)),
    *((f"{tail}_{RELEASED}_g9", Fraction(3, 2)) for tail in ("tc", "ta")),
]
ANTI_DRIFTING = [(f"{text}_x_f1k1", cost + 1) for text, cost in VANILLA]
INVERTED = [
    *((f"f1k1_x_g9_{future}_td", cost + 1) for future, cost in zip(FUTURE, PAST.values(), strict=True)),
    *((f"f1k1_x_g{window}_f1k1f2k2f16k4_td", Fraction(5, 2)) for window in (1, 4, 9)),
    *((f"f1k1_x_g9_f1k1f2k2f16k4_{tail}", Fraction(5, 2)) for tail in ("tc", "ta")),
]
TABLE_1 = VANILLA + ANTI_DRIFTING + INVERTED


def test_table_1_is_whole() -> None:
    assert len({text for text, _ in TABLE_1}) == 30


@pytest.mark.parametrize(("text", "cost"), TABLE_1)
def test_row_of_table_1_round_trips_with_length_law_and_tokens(text: str, cost: Fraction) -> None:
    layout = Layout.parse(text)
    assert str(layout) == text
    assert Layout.parse(str(layout)) == layout
    assert layout.cost == cost
    # At latents of 128 x 128 no kernel needs spatial padding, and in Table 1 only f8k8... at k16 none in time, so the
    # token count is the length law times one latent frame's 64 * 64 tokens.
    padding = sum((-group.frames % group.kernel.t) * group.kernel.cost for group in layout.left + layout.right)
    assert layout.tokens(128, 128) == (layout.window + cost + padding) * 64 * 64
    assert padding == 0


@pytest.mark.parametrize("text", ["f1k1_x_g9_f1k1f2k2f16k4_td", "f1k1_x_td_f16k4f2k2f1k1_g9"])
def test_released_layouts_have_the_references_token_count(text: str) -> None:
    """480 x 832 pixels: 14040 generated, 3120 clean, 390 at 2x, 416 at 4x, padding counted."""
    layout = Layout.parse(text)
    assert str(layout) == text
    assert layout.tokens(60, 104) == 14040 + 3120 + 390 + 416
    assert layout.has_start_slot


def test_long_form_and_discretised_history_round_trip() -> None:
    for text in ("td_f2k1h4w4f1k1_g9+D", "f1k1_x_td_f16k4f2k2f1k1_g9_x_f1k1f2k2_td_x_f1k1"):
        assert str(Layout.parse(text)) == text
    assert Layout.parse("g9_f1k1+D").discretised


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "can't read ''"),
        ("f1k1", "no window"),
        ("g9_g9", "two windows"),
        ("g0", "can't read 'g0'"),
        ("f0k1_g9", "zero"),
        ("f1k0_g9", "zero"),
        ("f1k1_td_g9", "far end"),
        ("g9_td_f1k1", "far end"),
        ("f1k1_g9+E", r"unknown suffix '\+E'"),
        ("f1k1 _g9", "can't read"),
        ("F1K1_g9", "can't read"),
        ("f1k1h2_g9", "can't read"),
    ],
)
def test_malformed_layout_names_the_part(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Layout.parse(text)


def _side(future: bool) -> st.SearchStrategy[list[str]]:
    kernels = [f"k{n}" for n in (1, 2, 4, 8, 16)] + ["k1h4w4"]
    group = st.builds("f{}{}".format, st.integers(1, 600), st.sampled_from(kernels))
    history = st.lists(group, min_size=1, max_size=4).map("".join)
    parts = st.tuples(history, st.sampled_from([None, "td", "ta", "tc"])).map(
        lambda p: [p[1], p[0]] if p[1] else [p[0]]
    )
    return st.one_of(st.just([]), parts.map(lambda p: p[::-1]) if future else parts)


@given(_side(False), st.booleans(), st.integers(1, 32), st.booleans(), _side(True), st.sampled_from(["", "+D"]))
def test_every_layout_round_trips(
    left: list[str], skip_before: bool, window: int, skip_after: bool, right: list[str], suffix: str
) -> None:
    middle = [*["x"] * (skip_before and bool(left)), f"g{window}", *["x"] * (skip_after and bool(right))]
    text = "_".join([*left, *middle, *right]) + suffix
    layout = Layout.parse(text)
    assert str(layout) == text
    assert layout.window == window
    assert bool(layout.left) == bool(left) and bool(layout.right) == bool(right)
    assert layout.skips_before_window == ("x" in middle[:-1] and middle[0] == "x")
    for height, width in product((8, 60), (8, 104)):
        assert layout.tokens(height, width) >= window * (height // 2) * (width // 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f1k1_x_g9_f1k1f2k2f16k4_td", "f1k1_x_g9_f1k1f2k2f16k4_ta"),
        ("f1k1_x_td_f16k4f2k2f1k1_g9", "f1k1_x_ta_f16k4f2k2f1k1_g9"),
        ("f1k1_x_f4k4f1k1_x_g9_x_f1k1f4k4_td", "f1k1_x_ta_f4k4f1k1_x_g9_x_f1k1f4k4_ta"),
        ("td_f16k4f2k2f1k1_g9_x_f1k1", "ta_f16k4f2k2f1k1_g9_x_f1k1"),
        ("f2k1_g9", "ta_f2k1_g9"),
        ("g9_f2k1", "g9_f2k1_ta"),
        ("g9", "g9"),
    ],
)
def test_tail_can_be_exchanged_on_every_side_with_a_history(text: str, expected: str) -> None:
    changed = Layout.parse(text).with_tail("ta")
    assert str(changed) == expected and Layout.parse(expected) == changed
    assert Layout.parse(text).with_tail("td").cost == changed.cost == Layout.parse(text).cost
    assert {changed.left_tail, changed.right_tail} <= {"td", "ta"}


def test_neighbours_with_one_kernel_are_one_group() -> None:
    layout = Layout.parse("td_f3k2f2k2f1k1_g9")
    assert [group.frames for group in layout.left] == [5, 1] and str(layout) == "td_f3k2f2k2f1k1_g9"


@pytest.mark.parametrize("name", ["k1", "k16", "k1h4w2"])
def test_kernel_names_round_trip(name: str) -> None:
    assert str(Kernel.parse(name)) == name


@pytest.mark.parametrize("name", ["", "k", "k0", "k1h0w2", "1", "k1h2"])
def test_malformed_kernel_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="kernel"):
        Kernel.parse(name)
