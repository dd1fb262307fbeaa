"""From decoded chunks to the frames of a video: quantising, and passing over from one chunk to the next."""

from collections.abc import Iterable, Iterator, Mapping

import torch


def to_bytes(frames: torch.Tensor) -> torch.Tensor:
    """Frames [n, ...] in [-1, 1], values beyond it clipped, as uint8; one after the other: each fits a cache."""
    made = torch.empty(frames.shape, dtype=torch.uint8, device=frames.device)
    for target, frame in zip(made, frames, strict=True):
        target.copy_((frame.float() / 2).add_(0.5).clamp_(0, 1).mul_(255).round_())
    return made


def pack_chunk(frames: torch.Tensor, pictures: torch.Tensor, head: int, tail: int) -> dict[str, torch.Tensor]:
    """What is kept of a decoded chunk [n, h, w, 3]: its bytes, which ``pictures`` are, but for the frames that a
    neighbour gives as well.

    Those stay in the codec's precision, as ``head`` and ``tail``: blending comes before rounding.
    """
    stop = frames.shape[0] - tail
    parts = {"frames": pictures[head:stop].clone()}
    if head:
        parts["head"] = frames[:head].clone()
    if tail:
        parts["tail"] = frames[stop:].clone()
    return parts


def joined(chunks: Iterable[Mapping[str, torch.Tensor]]) -> Iterator[torch.Tensor]:
    """The video as pieces [n, h, w, 3] uint8 from packed chunks in viewer order; holds one chunk and one overlap."""
    tail: torch.Tensor | None = None
    for chunk in chunks:
        if tail is not None:
            yield to_bytes(cross_fade(tail, chunk["head"]))
        yield chunk["frames"]
        tail = chunk.get("tail")


def cross_fade(leaving: torch.Tensor, entering: torch.Tensor) -> torch.Tensor:
    """Both [n, ...] of the same moments, with weights that go from 1 and 0 at the first frame to 0 and 1 at the last.

    As ``soft_append_bcthw`` of the reference, in the precision of the frames.
    """
    weights = torch.linspace(1, 0, len(leaving), dtype=leaving.dtype).view(-1, *[1] * (leaving.ndim - 1))
    return weights * leaving + (1 - weights) * entering
