"""Where a section's context sits: which latent fills each slot and which RoPE time index it gets.

The window of generated latents lies between a *past* side (left of ``g`` in the layout) and a *future*
side. Latent 0 of the video is the encoded start image. Sides are filled from the nearest rendered
latents; a slot with no latent is fed zeros, as the reference does with its empty history.
Where a layout's whole past is the start slot, it holds the newest latent of the past: the start image or an
anchor's end.
Distances (the ``x`` of a layout) are clamped: the model never saw larger ones in training.

Frames beyond a side's slots are its *tail*: dropped (td), or fed one by one as a handful of pooled tokens (ta), or
averaged into one frame for the side's largest kernel (tc); section 3.2 of arXiv 2504.12626. Tail frames take the time
indices next to the slots; those farther than the largest distance share one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .layout import Group, Kernel, Layout

MAX_GAP_SECTIONS = 3
"""Largest distance, in sections, that an ``x`` spans; farther latents are placed at this distance."""


@dataclass(frozen=True)
class ContextSlot:
    """One latent frame of context.

    ``kernel`` patchifies it, ``side`` is one of ``start``, ``past``, ``future``, ``latent`` the absolute latent frame
    that fills it (None: zeros), ``index`` its RoPE time index, ``tail`` how it is pooled if it lies beyond the
    history's groups: ``ta``, ``tc`` or, for a slot of a group, nothing.
    """

    kernel: Kernel
    side: str
    latent: int | None
    index: int
    tail: str = ""


@dataclass(frozen=True)
class Context:
    """All slots of a section in time order, and the RoPE index of the first generated latent."""

    slots: tuple[ContextSlot, ...]
    window_index: int


def place_context(
    layout: Layout,
    start: int,
    past_end: int,
    future_start: int | None,
    *,
    distance: int | None = None,
    video_end: int | None = None,
    earliest: int = 0,
) -> Context:
    """Place the context of the window that begins at latent ``start``.

    Args:
        layout: the model's layout.
        start: first generated latent, >= 1.
        past_end: one past the last rendered latent before the window; 1 when only the start image is there.
        future_start: first rendered latent after the window, or None.
        distance: latents to put between the start slot and the window in place of the true number; only for layouts
            whose past is the start slot alone, such as the released one.
        video_end: one past the video's last latent, where the future's tail ends; None: the future has no tail.
        earliest: the first latent that there is; below 0 when a given video goes before this one.

    Returns:
        The slots in time order: start slot, past with its tail, future with its own; indices count time from 0.
    """
    longest = MAX_GAP_SECTIONS * layout.window
    slots: list[ContextSlot] = []
    cursor = 0
    left, right = layout.left, layout.right
    if layout.has_start_slot:
        alone = len(left) == 1
        slots.append(ContextSlot(left[0].kernel, "start", past_end - 1 if alone else 0, 0))
        left = left[1:]
        cursor = 1
    past_frames = sum(group.frames for group in left)
    if past_frames:
        oldest = past_end - past_frames
        first = cursor
        if not layout.history_joins_start:
            cursor += min(max(oldest - first, 0), longest)
        beyond = ((latent, cursor - min(oldest - latent, longest)) for latent in range(first, oldest))
        slots += _tail(layout.left_tail, left, "past", beyond)
        latent = oldest
        for group in left:
            for _ in range(group.frames):
                slots.append(ContextSlot(group.kernel, "past", latent if latent >= earliest else None, cursor))
                latent += 1
                cursor += 1
        if layout.skips_before_window:
            cursor += min(start - past_end, longest)
    elif layout.has_start_slot:
        cursor += min(start - past_end, longest) if distance is None else distance
    window_index = cursor
    cursor += layout.window
    future = future_start
    if future is not None and layout.skips_after_window:
        cursor += min(future - start - layout.window, longest)
    for group in right:
        for _ in range(group.frames):
            slots.append(ContextSlot(group.kernel, "future", future, cursor))
            cursor += 1
            future = None if future is None else future + 1
    if future is not None and video_end is not None:
        beyond = ((future + i, cursor + min(i, longest - 1)) for i in range(video_end - future))
        slots += _tail(layout.right_tail, right, "future", beyond)
    return Context(tuple(slots), window_index)


def _tail(kind: str, groups: Sequence[Group], side: str, frames: Iterable[tuple[int, int]]) -> list[ContextSlot]:
    """A slot for each (latent, index) of ``frames``; none when the tail is dropped."""
    if kind == "td":
        return []
    kernel = Kernel(1, 2, 2) if kind == "ta" else max((group.kernel for group in groups), key=lambda k: k.volume)
    return [ContextSlot(kernel, side, latent, index, kind) for latent, index in frames]
