"""What a model family offers to the farm: torch-free facts (``FamilyInfo``) and a loaded ``Renderer``.

A family is found by name with ``describe(name)``; ``load(name, device)`` reads its checkpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .plan.layout import Layout
from .plan.plan import Section

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, "torch.Tensor"]
OnStep = Callable[[int, int], None]
"""Called after each denoising step with (steps done, steps in all); raises CancelledError to stop."""


@dataclass(frozen=True)
class FamilyInfo:
    """Facts about a family that planning and validation need; no torch, no weights in memory.

    ``orders``: trained for; others run only when asked for and are marked experimental.
    ``buckets``: (height, width) in pixels. ``decode_overlap``: latent frames before a chunk that its decoding reads.
    ``checkpoint_sha256`` identifies the weights: part of every manifest.
    """

    name: str
    title: str
    layout: Layout
    orders: tuple[str, ...]
    default_order: str
    fps: int
    max_seconds: float
    buckets: tuple[tuple[int, int], ...]
    latent_channels: int
    decode_overlap: int
    checkpoint_sha256: str

    @property
    def window(self) -> int:
        """Latent frames generated per section."""
        return self.layout.window


@dataclass(frozen=True)
class SamplingParams:
    """How a section is denoised; names as in RenderRequest."""

    steps: int = 25
    gs: float = 10.0
    cfg: float = 1.0
    rs: float = 0.0
    shift: float | None = None
    sampler: str = "unipc"
    cache: str = "none"
    teacache_rel_l1_thresh: float = 0.15


class Renderer(Protocol):
    """A family's checkpoint in memory on one device. Not thread-safe: one call at a time."""

    info: FamilyInfo
    device_class: str
    """Results are bit-identical between renderers with equal device class, such as ``cpu-1t-fp32``."""

    def encode(self, image: bytes, prompts: tuple[str, ...], n_prompt: str) -> dict[str, "torch.Tensor"]:
        """Conditioning of a job: ``start_latent`` [channels, 1, h, w], image and text embeddings; flat, CPU tensors.

        The only call that needs text encoders. ``image`` is an encoded picture file, cropped to the nearest bucket.
        """

    def denoise(
        self,
        section: Section,
        latents: Mapping[int, "torch.Tensor"],
        conditioning: Tensors,
        params: SamplingParams,
        on_step: OnStep,
    ) -> "torch.Tensor":
        """Latents [channels, window, h, w] fp32 on the CPU of one section.

        ``latents`` maps each absolute latent frame that the section's slots name to a [channels, h, w] tensor.
        """

    def decode(self, latents: "torch.Tensor", overlap: int) -> "torch.Tensor":
        """Frames [count, height, width, 3] uint8 of ``latents`` [channels, frames, h, w], without those of the first
        ``overlap`` latent frames, which are only read. With overlap 0 the first latent gives one frame, else four."""
