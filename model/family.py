"""What a model family offers to the farm: torch-free facts (``FamilyInfo``) and a loaded ``Renderer``.

A family is found by name with ``describe(name, settings)``; ``load(name, settings, device)`` reads its checkpoint.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from farm.errors import InputError

from .choices import Lora
from .decoding import Decoding
from .footage.buckets import Bucket, nearest_bucket, scaled_buckets
from .memory import Placement
from .plan.layout import Layout
from .plan.plan import Section
from .plan.rules import CONTINUOUS, Rules

if TYPE_CHECKING:
    import torch

    from .footage.footage import Footage

Tensors = Mapping[str, "torch.Tensor"]
OnStep = Callable[[int, int], None]
"""Called after each denoising step with (steps done, steps in all); raises CancelledError to stop."""


@dataclass(frozen=True)
class FamilyInfo:
    """Facts about a family that planning and validation need; no torch, no weights in memory.

    ``orders``: trained for; others run only when asked for and are marked experimental.
    ``buckets``: (height, width) in pixels at the family's own resolution. ``resolutions``: others to choose from.
    ``decoding``: how sections become pixels.
    ``checkpoint_sha256`` identifies the weights, ``origins`` says where each part comes from (a folder, or a repository
    with its commit): both are in every manifest.
    ``cache``: the step cache that ``auto`` stands for. ``teacache_polynomial`` (highest power first) and
    ``magcache_ratios`` (one a step) are calibrations of two caches; without ratios there is no MagCache.
    ``text_to_video``: whether it may start from no picture, as an experiment. ``token_seconds``: what a step takes for
    a token on a reference device (one core for the puppet, an H100 for models of 13B), as a first estimate of times.
    ``drawn``: it moves drawn figures only. ``rules``: how its videos are planned.
    ``defaults``: of a request's fields where neither user nor preset says anything; ``without``: fields that mean
    nothing to it; ``caches`` and ``samplers``: those that it knows, empty for all; ``unguided``: it takes no real CFG;
    ``latent_pixels``: how many pixels high and wide a latent is; with ``same_latents``, at other ``resolutions`` a
    picture has as many latents, and each of them is of fewer or more pixels.
    """

    name: str
    title: str
    layout: Layout
    orders: tuple[str, ...]
    default_order: str
    fps: int
    max_seconds: float
    buckets: tuple[Bucket, ...]
    latent_channels: int
    decoding: Decoding
    checkpoint_sha256: str
    cache: str = "none"
    teacache_polynomial: tuple[float, ...] = (1.0, 0.0)
    magcache_ratios: tuple[float, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)
    resolutions: tuple[int, ...] = ()
    text_to_video: bool = False
    token_seconds: float = 1e-5
    drawn: bool = False
    rules: Rules = CONTINUOUS
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)
    without: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    samplers: tuple[str, ...] = ()
    unguided: bool = False
    latent_pixels: int = 8
    same_latents: bool = False

    def pixels(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the pictures of latents that are so high and wide."""
        return height * self.latent_pixels, width * self.latent_pixels

    @property
    def window(self) -> int:
        """Latent frames generated per section."""
        return self.layout.window

    @property
    def pieces(self) -> tuple[int, int] | None:
        """For a video that goes before: of how many frames each piece is that is encoded by itself, and how many pieces
        the history has room for. None: its last frames are one piece, whatever their number."""
        if not self.rules.start_in_history:
            return None
        history = sum(group.frames for group in self.layout.left) - self.layout.has_start_slot
        return self.rules.section_frames(self.window), -(-history // self.window)

    @property
    def resolution(self) -> int:
        """The class of the family's own buckets, such as 640: the longer side of the squarest one."""
        return max(min(self.buckets, key=lambda bucket: max(bucket) / min(bucket)))

    def buckets_at(self, resolution: int | None = None) -> tuple[Bucket, ...]:
        """The family's own buckets, or those of the same aspect ratios at another resolution.

        Raises:
            InputError: the family has no such resolution.
        """
        own = self.resolution
        if resolution is None or resolution == own:
            return self.buckets
        if resolution not in self.resolutions:
            known = ", ".join(map(str, sorted({own, *self.resolutions})))
            raise InputError(f"resolution {resolution}: model {self.name!r} has {known}.")
        return scaled_buckets(self.buckets, Fraction(resolution, own))

    def at(self, resolution: int | None) -> "FamilyInfo":
        """The same family, whose own resolution is this one; InputError as ``buckets_at``."""
        own = self.resolution
        if resolution is None or resolution == own:
            return self
        pixels = self.latent_pixels * resolution // own if self.same_latents else self.latent_pixels
        return replace(self, buckets=self.buckets_at(resolution), latent_pixels=pixels)

    def bucket(self, height: int, width: int, resolution: int | None = None) -> Bucket:
        """The bucket of a picture of ``height`` x ``width`` pixels; InputError as ``buckets_at``."""
        return nearest_bucket(height, width, self.buckets_at(resolution))


@dataclass(frozen=True)
class SamplingParams:
    """How a section is denoised; names as in RenderRequest."""

    steps: int = 25
    gs: float = 10.0
    cfg: float = 1.0
    rs: float = 0.0
    shift: float | None = None
    sigma_exponent: float = 1.0
    sampler: str = "unipc"
    cache: str = "none"
    teacache_rel_l1_thresh: float = 0.15
    magcache_threshold: float = 0.1
    magcache_max_consecutive_skips: int = 2
    magcache_retention_ratio: float = 0.25
    magcache_ratios: tuple[float, ...] = ()
    first_block_threshold: float = 0.05
    taylor_interval: int = 3
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True)
class Step:
    """What a section looks like after a denoising step, for those who watch.

    ``x0``: the predicted result [channels, window, h, w], on the renderer's device; not to be changed.
    ``computed``: for each CFG branch one bool a step so far, whether the cache let the blocks run.
    """

    done: int
    steps: int
    x0: "torch.Tensor"
    computed: Mapping[str, Sequence[bool]]


OnLook = Callable[[Step], None]
"""Called after each denoising step, before ``OnStep``; must be quick."""


class Renderer(Protocol):
    """A family's checkpoint in memory on one device. Not thread-safe: one call at a time."""

    info: FamilyInfo
    device_class: str
    """Results are bit-identical between renderers with equal device class, such as ``cpu-1t-fp32``."""
    placement: Placement
    """What of the model lies where."""
    attention: str
    """The attention backend, such as ``native``; part of the device class where it is not PyTorch's own choice."""

    def encode(
        self, image: "bytes | Footage", prompts: tuple[str, ...], n_prompt: str, seed: int = 0
    ) -> dict[str, "torch.Tensor"]:
        """Conditioning of a job: ``start_latent`` [channels, 1, h, w], each anchor's latents under ``anchor.<name>``,
        image and text embeddings; flat, CPU tensors.

        The only call that needs text encoders. ``image`` is footage, or the file of a start image, which is cropped to
        the nearest bucket. ``seed``: of noise over what is given, where the family lays any (``Plan.given_seed``).
        """

    def denoise(
        self,
        section: Section,
        latents: Mapping[int, "torch.Tensor"],
        conditioning: Tensors,
        params: SamplingParams,
        on_step: OnStep,
        on_look: OnLook = lambda step: None,
    ) -> "torch.Tensor":
        """Latents [channels, window, h, w] fp32 on the CPU of one section.

        ``latents`` maps each absolute latent frame that the section's slots name to a [channels, h, w] tensor.
        """

    def preview(self, latents: "torch.Tensor") -> "torch.Tensor":
        """Rough pictures [frames, h, w, 3] uint8 of ``latents`` [channels, frames, h, w]; no decoding, little time."""

    def decode(self, latents: "torch.Tensor", tiled: bool = False) -> "torch.Tensor":
        """Frames [1 + 4 * (frames - 1), height, width, 3] of ``latents`` [channels, frames, h, w], in the codec's
        precision, on the CPU; black is -1 and white 1. ``tiled``: piece by piece, which takes less memory and changes
        pixels a little."""


@runtime_checkable
class WithSizes(Protocol):
    """What a ``Renderer`` also does where its family has the ``same_latents`` at several resolutions."""

    def at(self, resolution: int | None) -> "Renderer":
        """One whose own resolution is this one, None for that of the family; it takes no more memory.

        Raises:
            InputError: the family has no such resolution.
        """


@runtime_checkable
class WithImageEncoder(Protocol):
    """What a ``Renderer`` also does where its family has an image encoder; ``encode`` gives the start image's
    embeddings as ``image``."""

    def embed(self, picture: "torch.Tensor") -> "torch.Tensor":
        """Embeddings [patches, dim] fp32 on the CPU of a decoded frame [height, width, 3] uint8, made as ``encode``
        makes those of given pictures. Changes nothing that is rendered; the encoder stays where there is room.

        Raises:
            CheckpointError: the encoder can't be read.
        """
