"""``make_plan``: sections, contexts and seeds from a layout, an order, a length and what is given."""

import hashlib
import math
from dataclasses import replace

from farm.errors import InputError

from .anchors import Gap, Given, gaps_between, place_anchors
from .context import MAX_GAP_SECTIONS, Context, place_context
from .layout import Layout
from .orders import Link, Order, ancestors, find_order
from .plan import LoneSection, Plan, Section, frames_of
from .prompts import section_prompts
from .rules import CONTINUOUS, Rules

MAX_PLAN_SECONDS = 3600.0
BLEND_SECTIONS = 4

MAX_TAIL_SECTIONS = 200
"""Longest plan whose tails are not dropped: each section sees every finished frame of them."""


def make_plan(
    *,
    layout: Layout | str,
    order: str | Order,
    seconds: float,
    seed: int,
    prompt: str,
    fps: int = 30,
    exact_length: bool = False,
    given: Given | None = None,
    blend_sections: int = BLEND_SECTIONS,
    rules: Rules = CONTINUOUS,
) -> Plan:
    """Plan a video.

    Args:
        layout: the model's layout, or its string.
        order: such as ``bisect`` or ``fanout:4``; applied to each gap between two anchors.
        seconds: length asked for, above 0, at most an hour. The true length is quantised to sections.
        seed: of the job; every section draws its own from it.
        prompt: of every section, or with timed prompts (see ``model.plan.prompts``).
        fps: pixel frames per second.
        exact_length: plan enough sections to cover ``seconds`` and trim the rest from the end.
        given: what the video starts from and leads to; default: a start image alone.
        blend_sections: sections over which a timed prompt is blended in.
        rules: of the family.

    Raises:
        InputError: the length, frame rate, order, layout or prompt can't be used, anchors contradict each other, or the
            layout has no context slots on a side that the order or an anchor builds on.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= MAX_PLAN_SECONDS):
        raise InputError(f"length {seconds} s: expected more than 0 and at most {MAX_PLAN_SECONDS:g} seconds.")
    if not 1 <= fps <= 120:
        raise InputError(f"fps {fps}: expected 1 to 120.")
    layout = Layout.parse(layout) if isinstance(layout, str) else layout
    given = _as_history(given or Given(), layout, rules)
    step = rules.section_frames(layout.window)
    shows_start = given.shows_start and not rules.start_in_history
    chosen = find_order(order) if isinstance(order, str) else order
    _check_sides(layout, chosen, given)
    _check_end(given, exact_length)
    count = section_count(seconds, fps, step, exact_length, shows_start)
    if count > MAX_TAIL_SECTIONS and {layout.left_tail, layout.right_tail} != {"td"}:
        raise InputError(
            f"{seconds:g} s take {count} sections, but with the tails ta and tc {MAX_TAIL_SECTIONS} are possible; "
            "drop the tail (td) or make the video shorter."
        )
    anchors = place_anchors(given, count, layout.window, step / fps, rules.start_in_history)
    kind = LoneSection if rules.sections_alone else Section
    built: dict[int, Section] = {}
    for gap in gaps_between(anchors, count):
        for link, finished in ancestors(chosen.links_for(layout, gap.stop - gap.first)):
            index = gap.first + link.index
            context = _context(layout, given, gap, link, finished, rules)
            predecessors = _read_sections(layout, context)
            built[index] = kind(
                index=index,
                start=1 + index * layout.window,
                stop=1 + (index + 1) * layout.window,
                predecessors=predecessors,
                slots=context.slots,
                window_index=context.window_index,
                level=1 + max((built[i].level for i in predecessors), default=-1),
                seed=section_seed(seed, index),
                prompt=prompt,
                images=gap.images(index),
            )
    sections = tuple(built[i] for i in range(count))
    noised = rules.start_in_history and given.start_image
    plan = Plan(
        chosen.name,
        layout,
        fps,
        sections,
        float(seconds),
        exact_length,
        anchors,
        shows_start,
        rules,
        section_seed(seed, -1) if noised else None,
    )
    longest = max(plan.seconds, plan.requested_seconds)
    spoken = section_prompts(prompt, [section.frames for section in sections], fps, longest, blend_sections)
    return replace(
        plan, sections=tuple(replace(section, **vars(said)) for section, said in zip(sections, spoken, strict=True))
    )


def section_count(seconds: float, fps: int, step: int, exact_length: bool = False, shows_start: bool = True) -> int:
    """Sections of a video, at least 1, where each adds ``step`` pixel frames.

    The reference's law, half to even: round(seconds * fps / step), so 5 s at 30 fps and 36 frames a section give 4
    sections, 145 frames with the start image's. For an exact length it is rounded up, since frames can be trimmed but
    not added.
    """
    if exact_length:
        return max(1, math.ceil((frames_of(seconds, fps) - shows_start) / step))
    return max(1, round(seconds * fps / step))


def section_seed(seed: int, index: int) -> int:
    """Seed of a section's noise: the first 63 bits of sha256 over the ASCII text ``"<job seed>:<section index>"``."""
    digest = hashlib.sha256(f"{seed}:{index}".encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _as_history(given: Given, layout: Layout, rules: Rules) -> Given:
    """What is given, where it stands in the history: a video fills all of that but the start slot."""
    if not (rules.start_in_history and given.extend == "end"):
        return given
    return replace(given, context_latents=sum(group.frames for group in layout.left) - layout.has_start_slot)


def _check_sides(layout: Layout, order: Order, given: Given) -> None:
    sides = (("before", order.needs_past, layout.left), ("after", order.needs_future, layout.right))
    for side, needed, groups in sides:
        if needed and not groups:
            raise InputError(
                f"order {order.name!r} needs context {side} the window, which layout {layout} does not have; "
                "choose another order or layout."
            )
    if given.has_future and not layout.right:
        raise InputError(
            f"layout {layout} sees no future, so its model can't aim at an end image, a keyframe or the start of a "
            "video; choose a model that can, such as the I2V one, or leave them out."
        )


def _check_end(given: Given, exact_length: bool) -> None:
    if exact_length and (given.end_strength is not None or given.extend == "start"):
        raise InputError(
            "an exact length trims the end, where the end image or the given video is met; choose one of the two."
        )


def _context(layout: Layout, given: Given, gap: Gap, link: Link, finished: int, rules: Rules) -> Context:
    """The link's context: anchors and finished sections (a bit mask, counted from the gap's first).

    Elsewhere slots hold zeros and tails no frames.

    Where the past is the start slot alone, its distance follows the reference's rule (demo_gradio.py: 3, 2, ..., 2, 1,
    0 sections in render order, since repeating a distance looks better than leaving the range seen in training): at
    most 3 sections before a window that sees no rendered future, at most 2 before others. A layout without ``x`` after
    its window shows the future only if it touches the window.
    """
    window = layout.window
    start = 1 + (gap.first + link.index) * window
    past_end = 1 + (gap.first + (0 if link.past is None else link.past + 1)) * window
    future_start = None
    if link.future is not None:
        future_start = 1 + (gap.first + link.future) * window
    elif gap.right is not None:
        future_start = 1 + gap.stop * window
    if future_start != start + window and not layout.skips_after_window:
        future_start = None
    sees_rendered = link.future is not None and future_start is not None
    farthest = (MAX_GAP_SECTIONS - sees_rendered) * window
    blank = link.past is None and gap.first == 0 and not given.start_image
    context = place_context(
        layout,
        start=start,
        past_end=past_end,
        future_start=future_start,
        distance=farthest if blank else min(start - past_end, farthest),
        earliest=1 - gap.left.frames if gap.left and gap.first == 0 else 0,
        video_end=1 + gap.stop * window + (gap.right.frames if gap.right else 0),
    )

    def source(side: str, latent: int) -> int | None:
        """The latent or anchor's latent that is known at ``latent``, if any."""
        if side == "start" and latent == 0:
            made_first = rules.start_in_history and not given.start_image
            return (1 if finished & 1 else None) if made_first else 0
        anchor = gap.right if side == "future" else gap.left
        if anchor is not None:
            found = anchor.as_future(latent, window) if side == "future" else anchor.as_past(latent, window)
            if found is not None:
                return found
        if latent < 1:
            return 0 if latent == 0 and gap.first == 0 and given.start_image else None
        section = (latent - 1) // window - gap.first
        return latent if section >= 0 and finished >> section & 1 else None

    slots = tuple(
        slot if slot.latent is None else replace(slot, latent=source(slot.side, slot.latent)) for slot in context.slots
    )
    slots = tuple(slot for slot in slots if slot.latent is not None or not slot.tail)
    return replace(context, slots=slots)


def _read_sections(layout: Layout, context: Context) -> tuple[int, ...]:
    rendered = [slot.latent for slot in context.slots if slot.latent is not None and slot.latent > 0]
    return tuple(sorted({(latent - 1) // layout.window for latent in rendered}))
