"""Parity with the reference's two programs: their section loops, written down here from their description alone.

A loop runs on labels in place of latents: an int for each latent frame of the finished video, None for a frame of the
zeros that the history begins with. What it feeds to the model is compared with the plan, slot for slot.
"""

from dataclasses import dataclass

import pytest
import torch

from model.decoding import Decoding
from model.plan import make_plan
from model.plan.plan import Section
from model.transformer import gather_context

W = 9
I2V = "f1k1_x_g9_f1k1f2k2f16k4_td"
F1 = "f1k1_x_td_f16k4f2k2f1k1_g9"
COUNTS = [*range(1, 9), 17, 50]
Frames = list[tuple[int | None, int]]
"""Latent frame (None: zeros) and time index."""


@dataclass
class Call:
    """One call of the reference's sampler: its arguments, and the latents that the call's result becomes."""

    clean: Frames
    clean_2x: Frames
    clean_4x: Frames
    indices: list[int]
    made: list[int]


def cut(items: list[int | None], sizes: list[int]) -> list[list[int | None]]:
    pieces = []
    for size in sizes:
        pieces.append(items[:size])
        items = items[size:]
    assert not items
    return pieces


def demo_gradio(count: int) -> tuple[list[Call], list[int | None]]:
    """The inverted loop: last section first, history of frames to come, start latent prepended at the very end."""
    paddings = list(reversed(range(count)))
    if count > 4:
        paddings = [3] + [2] * (count - 3) + [1, 0]
    history: list[int | None] = [None] * (1 + 2 + 16)
    calls = []
    next_made = W * count
    for padding in paddings:
        order = list(range(1 + padding * W + W + 1 + 2 + 16))
        start_at, _blank, window, post_at, at_2x, at_4x = cut(order, [1, padding * W, W, 1, 2, 16])
        post, frames_2x, frames_4x = cut(history[:19], [1, 2, 16])
        made = list(range(next_made - W + 1, next_made + 1))
        next_made -= W
        calls.append(
            Call(
                clean=list(zip([0, *post], start_at + post_at, strict=True)),
                clean_2x=list(zip(frames_2x, at_2x, strict=True)),
                clean_4x=list(zip(frames_4x, at_4x, strict=True)),
                indices=window,
                made=made,
            )
        )
        result = [0, *made] if padding == 0 else made
        history = [*result, *history]
    return calls, history[:-19]


def demo_gradio_f1(count: int) -> tuple[list[Call], list[int | None]]:
    """The forward loop: the history ends with the start latent, then grows at its end."""
    history: list[int | None] = [*[None] * (16 + 2 + 1), 0]
    calls = []
    for index in range(count):
        start_at, at_4x, at_2x, at_1x, window = cut(list(range(1 + 16 + 2 + 1 + W)), [1, 16, 2, 1, W])
        frames_4x, frames_2x, last = cut(history[-19:], [16, 2, 1])
        made = list(range(1 + W * index, 1 + W * (index + 1)))
        calls.append(
            Call(
                clean=list(zip([0, *last], start_at + at_1x, strict=True)),
                clean_2x=list(zip(frames_2x, at_2x, strict=True)),
                clean_4x=list(zip(frames_4x, at_4x, strict=True)),
                indices=window,
                made=made,
            )
        )
        history += made
    return calls, history[19:]


LOOPS = [pytest.param(I2V, "inverted", demo_gradio, id="I2V"), pytest.param(F1, "vanilla", demo_gradio_f1, id="F1")]


def plan_of(count: int, layout: str, order: str):
    plan = make_plan(layout=layout, order=order, seconds=count * 1.2, seed=1, prompt="x")
    assert len(plan.sections) == plan.depth == count
    return plan


def fed(section: Section) -> Call:
    groups = {kernel: [(s.latent, s.index) for s in section.slots if s.kernel.t == kernel] for kernel in (1, 2, 4)}
    indices = list(range(section.window_index, section.window_index + W))
    return Call(groups[1], groups[2], groups[4], indices, list(range(section.start, section.stop)))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("layout", "order", "loop"), LOOPS)
def test_every_section_is_fed_what_the_reference_feeds(layout: str, order: str, loop, count: int) -> None:
    plan = plan_of(count, layout, order)
    calls, _ = loop(count)
    assert [fed(section) for section in sorted(plan.sections, key=lambda section: section.level)] == calls


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("layout", "order", "loop"), LOOPS)
def test_the_start_latent_is_decoded_once_and_first(layout: str, order: str, loop, count: int) -> None:
    plan = plan_of(count, layout, order)
    _, finished = loop(count)
    assert finished == list(range(plan.latent_frames))
    decoding = Decoding()
    frames = [frame for section in plan.sections for frame in decoding.chunk(plan, section.index).frames]
    assert frames == list(range(36 * count + 1)) == list(range(plan.output_frames))


def test_no_index_leaves_the_trained_range() -> None:
    """1 + 27 + 9 + 19 - 1: with true distances a minute of video would need 469."""
    plan = plan_of(50, I2V, "inverted")
    assert max(slot.index for section in plan.sections for slot in section.slots) == 55


@pytest.mark.parametrize(("layout", "order"), [(I2V, "inverted"), (F1, "vanilla")])
def test_empty_history_is_fed_as_zeros_not_left_out(layout: str, order: str) -> None:
    plan = plan_of(8, layout, order)
    first = next(section for section in plan.sections if section.level == 0)
    start = torch.ones(16, 8, 8)
    groups = gather_context(first.slots, {0: start}, 16, 8, 8)
    frames = {kernel: [g for g in groups if g.kernel.t == kernel] for kernel in (1, 2, 4)}
    assert {kernel: sum(g.latents.shape[2] for g in found) for kernel, found in frames.items()} == {1: 2, 2: 2, 4: 16}
    assert not any(g.latents.any() for kernel in (2, 4) for g in frames[kernel])
    assert sum(g.latents.sum() for g in frames[1]) == start.numel() * (1 if layout == I2V else 2)


@pytest.mark.parametrize(
    ("seconds", "sections", "frames"), [(1, 1, 37), (3, 2, 73), (5, 4, 145), (6, 5, 181), (10, 8, 289), (60, 50, 1801)]
)
def test_sections_are_rounded_half_to_even(seconds: float, sections: int, frames: int) -> None:
    plan = make_plan(layout=I2V, order="inverted", seconds=seconds, seed=1, prompt="x")
    assert (len(plan.sections), plan.frames, plan.output_frames) == (sections, frames, frames)
