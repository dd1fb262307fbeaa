"""Where a section's context sits: which latent fills each slot and which RoPE time index it gets.

The window of generated latents lies between a *past* side (left of ``g`` in the layout) and a *future*
side. Latent 0 of the video is the encoded start image. Sides are filled from the nearest rendered
latents; a slot with no latent is fed zeros, as the reference does with its empty history.
Where a layout's whole past is the start slot, it holds the newest latent of the past: the start image or an
anchor's end.
Distances (the ``x`` of a layout) are clamped: the model never saw larger ones in training.
"""

from dataclasses import dataclass

from .layout import Layout

MAX_GAP_SECTIONS = 3
"""Largest distance, in sections, that an ``x`` spans; farther latents are placed at this distance."""


@dataclass(frozen=True)
class ContextSlot:
    """One latent frame of context.

    ``kernel`` is the temporal kernel size (1, 2, 4, 8, 16), ``side`` one of ``start``, ``past``, ``future``,
    ``latent`` the absolute latent frame that fills it (None: zeros), ``index`` its RoPE time index.
    """

    kernel: int
    side: str
    latent: int | None
    index: int


@dataclass(frozen=True)
class Context:
    """All slots of a section in time order, and the RoPE index of the first generated latent."""

    slots: tuple[ContextSlot, ...]
    window_index: int


def place_context(
    layout: Layout, start: int, past_end: int, future_start: int | None, *, distance: int | None = None
) -> Context:
    """Place the context of the window that begins at latent ``start``.

    Args:
        layout: the model's layout.
        start: first generated latent, >= 1.
        past_end: one past the last rendered latent before the window; 1 when only the start image is there.
        future_start: first rendered latent after the window, or None.
        distance: latents to put between the start slot and the window in place of the true number; only for layouts
            whose past is the start slot alone, such as the released one.

    Returns:
        The slots in time order: start slot, past, future; indices count time from the start slot at 0.
    """
    longest = MAX_GAP_SECTIONS * layout.window
    slots: list[ContextSlot] = []
    cursor = 0
    left, right = layout.left, layout.right
    if layout.has_start_slot:
        alone = len(left) == 1
        slots.append(ContextSlot(left[0].kernel.t, "start", past_end - 1 if alone else 0, 0))
        left = left[1:]
        cursor = 1
    past_frames = sum(group.frames for group in left)
    if past_frames:
        oldest = past_end - past_frames
        if not layout.history_joins_start:
            cursor += min(max(oldest - cursor, 0), longest)
        latent = oldest
        for group in left:
            for _ in range(group.frames):
                slots.append(ContextSlot(group.kernel.t, "past", latent if latent >= 0 else None, cursor))
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
            slots.append(ContextSlot(group.kernel.t, "future", future, cursor))
            cursor += 1
            future = None if future is None else future + 1
    return Context(tuple(slots), window_index)
