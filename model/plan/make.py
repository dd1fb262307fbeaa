"""``make_plan``: sections, contexts and seeds from a layout, an order and a length."""

import hashlib
import math
from dataclasses import replace

from farm.errors import InputError

from .context import Context, place_context
from .layout import Layout
from .orders import Link, Order, ancestors, find_order
from .plan import FRAMES_PER_LATENT, Plan, Section, frames_of

MAX_PLAN_SECONDS = 3600.0


def make_plan(
    *,
    layout: Layout | str,
    order: str,
    seconds: float,
    seed: int,
    prompt: str,
    fps: int = 30,
    exact_length: bool = False,
) -> Plan:
    """Plan a video.

    Args:
        layout: the model's layout, or its string.
        order: such as ``bisect`` or ``fanout:4``.
        seconds: length asked for, above 0, at most an hour. The true length is quantised to sections.
        seed: of the job; every section draws its own from it.
        prompt: of every section.
        fps: pixel frames per second.
        exact_length: plan enough sections to cover ``seconds`` and trim the rest from the end.

    Raises:
        InputError: the length, frame rate, order or layout can't be used, or the layout has no context slots on a
            side that the order builds on.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= MAX_PLAN_SECONDS):
        raise InputError(f"length {seconds} s: expected more than 0 and at most {MAX_PLAN_SECONDS:g} seconds.")
    if not 1 <= fps <= 120:
        raise InputError(f"fps {fps}: expected 1 to 120.")
    layout = Layout.parse(layout) if isinstance(layout, str) else layout
    chosen = find_order(order)
    _check_sides(layout, chosen)
    count = section_count(seconds, fps, layout.window, exact_length)
    built: dict[int, Section] = {}
    for link, finished in ancestors(chosen.links(count)):
        context = _context(layout, link, finished)
        predecessors = _read_sections(layout, context)
        built[link.index] = Section(
            index=link.index,
            start=1 + link.index * layout.window,
            stop=1 + (link.index + 1) * layout.window,
            predecessors=predecessors,
            slots=context.slots,
            window_index=context.window_index,
            level=1 + max((built[i].level for i in predecessors), default=-1),
            seed=section_seed(seed, link.index),
            prompt=prompt,
        )
    sections = tuple(built[i] for i in range(count))
    return Plan(chosen.name, layout, fps, sections, float(seconds), exact_length)


def section_count(seconds: float, fps: int, window: int, exact_length: bool = False) -> int:
    """Sections of a video, at least 1.

    The reference's law, half to even: round(seconds * fps / (4 * window)), so 5 s at 30 fps give 4 sections, 145
    frames. For an exact length it is rounded up, since frames can be trimmed but not added.
    """
    step = FRAMES_PER_LATENT * window
    if exact_length:
        return max(1, math.ceil((frames_of(seconds, fps) - 1) / step))
    return max(1, round(seconds * fps / step))


def section_seed(seed: int, index: int) -> int:
    """Seed of a section's noise: the first 63 bits of sha256 over the ASCII text ``"<job seed>:<section index>"``."""
    digest = hashlib.sha256(f"{seed}:{index}".encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _check_sides(layout: Layout, order: Order) -> None:
    sides = (("before", order.needs_past, layout.left), ("after", order.needs_future, layout.right))
    for side, needed, groups in sides:
        if needed and not groups:
            raise InputError(
                f"order {order.name!r} needs context {side} the window, which layout {layout} does not have; "
                "choose another order or layout."
            )


def _context(layout: Layout, link: Link, finished: int) -> Context:
    """The link's context, with zeros for every latent whose section is not among the ``finished`` ones (a bit mask)."""
    window = layout.window
    context = place_context(
        layout,
        start=1 + link.index * window,
        past_end=1 if link.past is None else 1 + (link.past + 1) * window,
        future_start=None if link.future is None else 1 + link.future * window,
        distance=None if link.padding is None else link.padding * window,
    )
    slots = tuple(
        slot if slot.latent is None or _is_there(slot.latent, window, finished) else replace(slot, latent=None)
        for slot in context.slots
    )
    return replace(context, slots=slots)


def _is_there(latent: int, window: int, finished: int) -> bool:
    return latent == 0 or bool(finished >> ((latent - 1) // window) & 1)


def _read_sections(layout: Layout, context: Context) -> tuple[int, ...]:
    return tuple(sorted({(slot.latent - 1) // layout.window for slot in context.slots if slot.latent}))
