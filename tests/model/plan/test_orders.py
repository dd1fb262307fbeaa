"""Orders and plans: shape, properties over every order, and agreement with the reference."""

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import InputError
from model.plan import Plan, find_order, make_plan
from model.plan.make import section_count, section_seed

SYMMETRIC = "f1k1_x_f16k4f2k2f1k1_x_g9_x_f1k1f2k2f16k4"
ANTI_DRIFTING = "td_f16k4f2k2f1k1_g9_x_f1k1"
RELEASED = "f1k1_x_g9_f1k1f2k2f16k4_td"
F1 = "f1k1_x_td_f16k4f2k2f1k1_g9"

ORDERS = st.one_of(
    st.sampled_from(["vanilla", "inverted", "endpoints", "bisect"]), st.integers(1, 64).map("fanout:{}".format)
)


def plan_of(
    seconds: float = 60, order: str = "bisect", layout: str = SYMMETRIC, seed: int = 7, exact_length: bool = False
) -> Plan:
    return make_plan(
        layout=layout, order=order, seconds=seconds, seed=seed, prompt="a puppet waves", exact_length=exact_length
    )


def test_sixty_second_bisect_has_its_known_shape() -> None:
    plan = plan_of()
    assert len(plan.sections) == 50
    assert plan.level_widths == (2, 1, 2, 4, 8, 16, 17)
    assert (plan.depth, plan.width) == (7, 17)
    assert plan.makespan(8) == 10
    assert [round(plan.speedup(n), 2) for n in (1, 2, 4, 8, None)] == [1.0, 1.92, 3.33, 5.0, 7.14]


def test_sixty_second_fanout_has_its_known_bound() -> None:
    plan = plan_of(order="fanout:4")
    assert [round(plan.speedup(n), 2) for n in (8, 16, None)] == [6.25, 10.0, 12.5]


@given(seconds=st.floats(0.1, 130))
@settings(max_examples=25, deadline=None)
def test_fanout_of_one_is_bisect(seconds: float) -> None:
    assert plan_of(seconds, "fanout:1").sections == plan_of(seconds, "bisect").sections


@given(
    order=ORDERS,
    seconds=st.floats(0.01, 150),
    layout=st.sampled_from([SYMMETRIC, ANTI_DRIFTING, RELEASED, F1, "f2k2f1k1_g4_f1k1f2k2", "f1k1_x_g1_x_f1k1"]),
    exact_length=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_order_covers_all_frames_once_and_reads_only_finished_latents(
    order: str, seconds: float, layout: str, exact_length: bool
) -> None:
    if layout == F1 and order != "vanilla":
        with pytest.raises(InputError, match="context after the window"):
            plan_of(seconds, order, layout)
        return
    plan = plan_of(seconds, order, layout, exact_length=exact_length)
    frames = [frame for section in plan.sections for frame in section.frames]
    assert frames == list(range(plan.frames))
    latents = [latent for section in plan.sections for latent in range(section.start, section.stop)]
    assert [0, *latents] == list(range(plan.latent_frames))

    rendered = {0}
    done: set[int] = set()
    for section in sorted(plan.sections, key=lambda section: section.level):
        # A renderer that knows nothing but the predecessors must find every latent, and read from each of them.
        assert done.issuperset(section.predecessors)
        assert all(plan.sections[i].level < section.level for i in section.predecessors)
        own = {latent for i in section.predecessors for latent in range(plan.sections[i].start, plan.sections[i].stop)}
        read = {slot.latent for slot in section.slots if slot.latent is not None}
        assert read <= rendered & (own | {0})
        assert all(
            read.intersection(range(plan.sections[i].start, plan.sections[i].stop)) for i in section.predecessors
        )
        assert all(
            slot.latent is None or (slot.latent >= section.stop) == (slot.side == "future") for slot in section.slots
        )
        rendered.update(range(section.start, section.stop))
        done.add(section.index)
    assert len(done) == len(plan.sections)

    indices = [slot.index for slot in plan.sections[0].slots]
    assert indices == sorted(set(indices))
    assert len({section.seed for section in plan.sections}) == len(plan.sections)
    assert all(plan.depth <= plan.makespan(n) <= len(plan.sections) for n in (1, 2, 8))
    assert plan.makespan(len(plan.sections)) == plan.depth
    assert plan.makespan(1) == len(plan.sections)


@given(order=ORDERS, seconds=st.floats(0.1, 120), devices=st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_makespan_respects_grahams_bound(order: str, seconds: float, devices: int) -> None:
    plan = plan_of(seconds, order)
    work = len(plan.sections)
    assert max(plan.depth, work / devices) <= plan.makespan(devices) <= work / devices + plan.depth


@pytest.mark.parametrize("order", ["vanilla", "inverted", "endpoints", "bisect"])
def test_no_section_is_blind_to_a_finished_neighbour(order: str) -> None:
    """Of two neighbours, the later one reads the earlier one: every seam is seen from one side."""
    for count in range(1, 40):
        plan = plan_of(count * 1.2, order)
        assert len(plan.sections) == count
        for left, right in zip(plan.sections, plan.sections[1:], strict=False):
            assert left.index in right.predecessors or right.index in left.predecessors


def test_first_level_of_bisect_holds_both_ends_seeing_only_the_start_image() -> None:
    first, *_, last = plan_of().sections
    for section in (first, last):
        assert section.level == 0 and section.predecessors == ()
        assert {slot.latent for slot in section.slots} == {0, None}
    # The far end sits at the clamped distance: three sections past the last context frame.
    past = [slot.index for slot in last.slots if slot.side == "past"]
    assert last.window_index == past[-1] + 1 + 27
    assert first.window_index == past[-1] + 1


def test_section_in_a_gap_sees_its_anchors() -> None:
    section = plan_of().sections[12]
    assert section.predecessors == (0, 24)
    past = [slot.latent for slot in section.slots if slot.side == "past"]
    future = [slot.latent for slot in section.slots if slot.side == "future"]
    assert past == [None] * 9 + list(range(10))
    assert future == [*range(217, 226), *[None] * 10]


def test_endpoints_order_is_figure_2b() -> None:
    plan = plan_of(12, "endpoints", ANTI_DRIFTING)
    assert plan.level_widths == (2, *[1] * 8)
    for section in plan.sections[1:-1]:
        assert section.slots[-1].latent == plan.sections[-1].start
        assert section.slots[-2].latent == section.start - 1


def test_released_layout_fills_gaps_from_the_left_anchors_last_frame() -> None:
    """It has no way to show a distant future: a midpoint sees the start slot alone, as a first section does."""
    sections = plan_of(60, "bisect", RELEASED).sections
    assert [slot.latent for slot in sections[12].slots] == [9, *[None] * 19]
    assert sections[12].window_index == 1 + 27
    touching = next(s for s in sections if s.predecessors == (s.index - 1, s.index + 1))
    assert touching.slots[0].latent == touching.start - 1 and touching.slots[1].latent == touching.stop
    assert touching.window_index == 1


def test_endpoints_on_the_released_layout_fill_leftward() -> None:
    plan = plan_of(12, "endpoints", RELEASED)
    assert plan.level_widths == (2, *[1] * 8)
    for section in plan.sections[1:-1]:
        assert section.slots[0].latent == 9 and section.slots[1].latent == section.stop
        assert section.window_index == 1 + 9 * min(section.index - 1, 2)


@pytest.mark.parametrize(
    ("seconds", "sections"), [(0.01, 1), (1, 1), (3, 2), (5, 4), (6, 5), (10, 8), (20, 17), (60, 50), (120, 100)]
)
def test_length_law_is_the_references(seconds: float, sections: int) -> None:
    plan = plan_of(seconds)
    assert len(plan.sections) == sections
    assert plan.latent_frames == 9 * sections + 1
    assert plan.frames == plan.output_frames == 36 * sections + 1
    assert plan.seconds == plan.frames / 30


@given(st.floats(0.01, 3600), st.integers(1, 60))
@settings(max_examples=50, deadline=None)
def test_exact_length_needs_only_trimming(seconds: float, fps: int) -> None:
    count = section_count(seconds, fps, 36, exact_length=True)
    frames = max(1, round(seconds * fps))
    assert frames <= 36 * count + 1
    assert count == 1 or frames > 36 * (count - 1) + 1


def test_exact_length_trims_the_end() -> None:
    plan = plan_of(5, exact_length=True)
    assert (len(plan.sections), plan.frames, plan.output_frames) == (5, 181, 150)
    assert plan.seconds == plan.requested_seconds == 5
    assert plan.digest() != plan_of(plan.frames / 30).digest()


def test_section_seeds_follow_their_documented_encoding() -> None:
    bits = "".join(f"{byte:08b}" for byte in hashlib.sha256(b"7:3").digest())
    assert plan_of(seed=7).sections[3].seed == section_seed(7, 3) == int(bits[:63], 2)
    assert plan_of(60, "vanilla").sections[3].seed == section_seed(7, 3)


def test_digest_is_the_same_in_another_process() -> None:
    plan = plan_of(30, "fanout:3")
    code = (
        "from model.plan import make_plan; print(make_plan("
        f"layout={SYMMETRIC!r}, order='fanout:3', seconds=30, seed=7, prompt='a puppet waves').digest())"
    )
    for hash_seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == plan.digest()


def test_digest_of_a_known_plan_never_changes() -> None:
    """Checkpoints of running jobs are matched by digest: a change here strands them. Raise it knowingly."""
    plan = make_plan(layout=RELEASED, order="inverted", seconds=2.4, seed=31337, prompt="é")
    assert plan.digest() == "dc89a070b938f2b7abf63aabc9f4064a00d9b1fc80f9775156ac3882ec883051"


def test_digest_depends_on_everything_that_decides_pixels() -> None:
    base = plan_of(5)
    others = [plan_of(6), plan_of(5, seed=8), plan_of(5, "vanilla"), plan_of(5, layout=ANTI_DRIFTING)]
    others.append(make_plan(layout=SYMMETRIC, order="bisect", seconds=5, seed=7, prompt="another"))
    assert len({plan.digest() for plan in [base, *others]}) == 6
    assert plan_of(5.01).digest() == base.digest()


def test_total_tokens_count_every_section() -> None:
    plan = plan_of(60, "inverted", RELEASED)
    assert plan.total_tokens(60, 104) == 50 * 17966


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("bisekt", "Did you mean 'bisect'"),
        ("", "unknown order"),
        ("fanout", "1 to 64"),
        ("fanout:0", "1 to 64"),
        ("fanout:65", "1 to 64"),
        ("fanout:-1", "1 to 64"),
        ("fanout:two", "1 to 64"),
        ("fanout:٣", "1 to 64"),
    ],
)
def test_unknown_order_is_refused_with_advice(name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_order(name)


def test_order_names_are_normalised() -> None:
    assert plan_of(5, " Fanout:04 ").order == "fanout:4"


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("nan"), float("inf")])
def test_impossible_length_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="expected more than 0"):
        plan_of(seconds)


def test_order_that_the_layout_cannot_show_is_refused() -> None:
    with pytest.raises(InputError, match="context before the window"):
        plan_of(5, "vanilla", "g9_f1k1f2k2")
    with pytest.raises(InputError, match="context after the window"):
        plan_of(5, "inverted", "td_f16k4f2k2f1k1_g9")
