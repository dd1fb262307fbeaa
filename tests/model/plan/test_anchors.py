"""Anchors: end image, keyframes, given videos and videos without a start image, as context of a plan's sections."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import InputError
from model.plan import Given, Plan, make_plan

I2V = "f1k1_x_g9_f1k1f2k2f16k4_td"
F1 = "f1k1_x_td_f16k4f2k2f1k1_g9"
PUPPET = "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td"
ORDERS = ["vanilla", "inverted", "endpoints", "bisect", "fanout:3"]


def plan_of(order: str = "inverted", layout: str = I2V, seconds: float = 9.6, **what) -> Plan:
    """By default eight sections."""
    return make_plan(layout=layout, order=order, seconds=seconds, seed=1, prompt="x", given=Given(**what))


def side(plan: Plan, index: int, name: str) -> list[int | None]:
    return [slot.latent for slot in plan.sections[index].slots if slot.side == name]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layout", [I2V, PUPPET])
def test_nothing_given_is_the_plan_as_it_was(order: str, layout: str) -> None:
    bare = make_plan(layout=layout, order=order, seconds=9.6, seed=1, prompt="x")
    assert plan_of(order, layout) == bare and plan_of(order, layout).digest() == bare.digest()
    assert "anchors" not in bare.to_json() and "images" not in bare.to_json()


def test_end_image_is_the_first_future_frame_of_the_last_section_and_stays_in_the_history() -> None:
    plan = plan_of(end_strength=1.0)
    (anchor,) = plan.anchors
    assert (anchor.name, anchor.first, plan.latent_frames, plan.output_frames) == ("end_image", -1, 73, 289)
    assert side(plan, 7, "future") == [-1, *[None] * 18]
    assert side(plan, 6, "future") == [*range(64, 73), -1, *[None] * 9]
    assert side(plan, 5, "future") == [*range(55, 73), -1]
    assert side(plan, 4, "future") == list(range(46, 65))
    assert plan.sections[7].window_index == 1 + 27


@pytest.mark.parametrize("order", ["vanilla", "endpoints", "bisect"])
def test_layouts_that_show_distance_see_the_end_image_from_the_first_section_on(order: str) -> None:
    plan = plan_of(order, PUPPET, end_strength=1.0)
    for index in (0, 7):
        assert side(plan, index, "future")[0] == -1
    first, last = plan.sections[0], plan.sections[7]
    near = next(slot.index for slot in last.slots if slot.side == "future")
    far = next(slot.index for slot in first.slots if slot.side == "future")
    assert near == last.window_index + 9 and far == first.window_index + 9 + 27


def test_image_embeddings_pass_from_start_to_end_image_by_position() -> None:
    shares = [dict(section.images)["end_image"] for section in plan_of(end_strength=0.5).sections]
    assert shares == [0.5 * (i + 0.5) / 8 for i in range(8)]
    assert plan_of(seconds=1, end_strength=1.0).sections[0].images == (("image", 0.5), ("end_image", 0.5))
    assert all(not section.images for section in plan_of().sections)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layout", [I2V, PUPPET])
def test_keyframes_cut_the_video_into_gaps_that_are_filled_at_the_same_time(order: str, layout: str) -> None:
    plan = plan_of(order, layout, seconds=14.4, keyframes=(7.2, 3.6))
    assert [(a.name, a.boundary) for a in plan.anchors] == [("keyframe-2", 3), ("keyframe-1", 6)]
    for first, stop in ((0, 3), (3, 6), (6, 12)):
        alone = make_plan(layout=layout, order=order, seconds=1.2 * (stop - first), seed=1, prompt="x")
        mine = plan.sections[first:stop]
        assert all(first <= parent < stop for section in mine for parent in section.predecessors)
        assert [section.level for section in mine] == [section.level for section in alone.sections]
    assert plan.depth == make_plan(layout=layout, order=order, seconds=7.2, seed=1, prompt="x").depth


def test_a_keyframe_is_the_start_of_the_gap_after_it_and_the_end_of_the_one_before() -> None:
    plan = plan_of(keyframes=(3.6,))
    key = plan.anchors[0].first
    assert side(plan, 2, "future")[0] == key
    assert side(plan, 2, "start") == [0] and side(plan, 3, "start") == [key] == side(plan, 7, "start")
    assert [plan.sections[i].window_index for i in range(3, 8)] == [1, 10, 19, 19, 28]
    assert plan.sections[3].images == (("keyframe-1", 1.0),)
    past = plan_of("vanilla", PUPPET, keyframes=(3.6,))
    assert side(past, 3, "start") == [0] and side(past, 3, "past") == [*[None] * 6, past.anchors[0].first]


def test_extension_goes_on_from_the_given_videos_last_latents_and_does_not_show_them() -> None:
    plan = plan_of("vanilla", F1, seconds=3.6, extend="end", context_latents=5)
    assert side(plan, 0, "past") == [*[None] * 14, -5, -4, -3, -2, -1]
    assert side(plan, 1, "past") == [*[None] * 5, -5, -4, -3, -2, -1, *range(1, 10)]
    assert [slot.index for slot in plan.sections[0].slots] == list(range(20))
    assert (plan.first_frame, plan.output_frames) == (1, 108)
    assert all(not section.images for section in plan.sections)
    start_alone = plan_of(extend="end")
    assert {side(start_alone, i, "start")[0] for i in range(8)} == {0}


def test_extension_before_a_video_leads_to_its_first_latents() -> None:
    plan = plan_of(extend="start", context_latents=5)
    assert side(plan, 7, "future") == [*range(-5, 0), *[None] * 14]
    assert side(plan, 6, "future") == [*range(64, 73), *range(-5, 0), *[None] * 5]
    assert plan.output_frames == 289
    assert plan.sections[7].images[1][0] == "source_video"


def test_without_a_start_image_a_blank_one_stands_far_before_the_video() -> None:
    plan = plan_of(start_image=False)
    assert plan.output_frames == 288 and not plan.shows_start
    assert [section.window_index for section in plan.sections] == [*[19] * 7, 28]
    forward = plan_of("vanilla", F1, start_image=False)
    assert side(forward, 0, "start") == [0] and side(forward, 0, "past") == [None] * 19


def test_exact_length_counts_frames_that_are_shown() -> None:
    def exact(**what) -> Plan:
        given = Given(**what)
        return make_plan(layout=F1, order="vanilla", seconds=1.2, seed=1, prompt="x", exact_length=True, given=given)

    assert (len(exact().sections), exact().output_frames) == (1, 36)
    assert (len(exact(extend="end").sections), exact(extend="end").output_frames) == (1, 36)


@given(
    order=st.sampled_from(ORDERS),
    layout=st.sampled_from([I2V, PUPPET]),
    seconds=st.floats(3.7, 40),
    end=st.none() | st.floats(0.05, 1),
    extend=st.sampled_from([None, "end", "start"]),
    keyframe=st.none() | st.floats(1.3, 2.3),
    start=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_any_combination_reads_only_what_is_finished_or_given(order, layout, seconds, end, extend, keyframe, start):
    what = {"start_image": start, "extend": extend, "end_strength": None if extend == "start" else end}
    plan = plan_of(order, layout, seconds, **what, keyframes=() if keyframe is None else (keyframe,))
    owned = {a.first + i for a in plan.anchors for i in range(a.frames)}
    assert len(owned) == sum(a.frames for a in plan.anchors) and all(key < 0 for key in owned)
    read = set()
    for section in plan.sections:
        own = {x for i in section.predecessors for x in range(plan.sections[i].start, plan.sections[i].stop)}
        used = {slot.latent for slot in section.slots if slot.latent is not None}
        assert used <= own | owned | {0}
        assert all(plan.sections[i].level < section.level for i in section.predecessors)
        assert sum(weight for _, weight in section.images or (("image", 1.0),)) == pytest.approx(1)
        read |= used & owned
    assert {a.name for a in plan.anchors if read & set(range(a.first, a.first + a.frames))} == {
        a.name for a in plan.anchors if not (layout == I2V and a.boundary == 0)
    }
    variants = {plan.digest(), plan_of(order, layout, seconds).digest()}
    assert len(variants) == (1 if not owned and start else 2)


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ({"keyframes": (0.2,)}, "start image and the end image"),
        ({"keyframes": (9.5,)}, r"seams between sections \(1\.2 s to 8\.4 s in steps of 1\.2 s\)"),
        ({"keyframes": (2.3, 2.5)}, r"keyframe-1 and keyframe-2 fall on the same seam, at 2\.4 s"),
        ({"extend": "start", "end_strength": 1.0}, "leave one out"),
    ],
)
def test_contradicting_anchors_are_refused(what: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        plan_of(**what)


@pytest.mark.parametrize("what", [{"end_strength": 1.0}, {"keyframes": (2.4,)}, {"extend": "start"}])
def test_layout_that_sees_no_future_cannot_aim(what: dict) -> None:
    with pytest.raises(InputError, match="sees no future"):
        plan_of("vanilla", F1, **what)


def test_exact_length_would_cut_off_the_end_image() -> None:
    with pytest.raises(InputError, match="trims the end"):
        make_plan(
            layout=I2V, order="inverted", seconds=5, seed=1, prompt="", exact_length=True, given=Given(end_strength=1.0)
        )
