"""What the renderers of all families have in common: weights in memory, parts that take turns, decoding, previews."""

from functools import cached_property
from importlib import import_module
from typing import Any

import torch

from farm.errors import FarmError

from .checkpoint import WITH_WEIGHTS, Checkpoint, Part
from .components import GGUF, load_weights, part_dtypes, working_dtype
from .device import HOST, device_class, open_device
from .encoders import Encoders
from .family import FamilyInfo, SamplingParams
from .loras.adapters import Adapters
from .memory import PLACEMENTS, Placement
from .placement import Turns, transformer_move
from .preview import LatentColours, colours_of
from .settings import ModelSettings
from .transformer.acceleration import accelerate

NEGATIVE = "negative"
"""The key of the negative prompt's embeddings, whatever its text."""


class CheckpointRenderer:
    """Most of ``model.family.Renderer``: on the CPU in fp32, on a GPU in the dtypes of the family's facts.

    On the CPU a fixed number of torch threads and per-section noise make results bit-identical between processes.
    The encoders are read at the first ``encode``. A family adds ``encode`` and ``denoise``.

    Args:
        info, checkpoint: of the family.
        settings: of this machine, for its kernels and LoRAs.
        device: torch's name of the device.
        threads: torch threads on the CPU.
        placement: what lies where, from ``choose_placement``.

    Raises:
        CheckpointError: a component can't be read.
        InputError: torch has no such device here, or the kernels don't run there.
    """

    transformer_class: Any
    """Of the family: a model class of diffusers that ``transformer_move`` can place."""

    def __init__(
        self,
        info: FamilyInfo,
        checkpoint: Checkpoint,
        settings: ModelSettings,
        device: str = "cpu",
        threads: int = 1,
        placement: Placement = PLACEMENTS["resident"],
    ) -> None:
        self.info = info
        self.device = open_device(device)
        self.placement = placement
        self.threads = threads
        self._kernels = kernels = settings.kernels
        self._facts, parts = checkpoint.family, checkpoint.parts
        self.dtypes = self._choose_dtypes(checkpoint)
        self._apply_threads()
        self._transformer = load_weights(
            self.transformer_class,
            parts["transformer"].path,
            HOST,
            self.dtypes["transformer"],
            checkpoint.config("transformer"),
            works_on=self.device,
        )
        self._prepare(self._transformer)
        acceleration = accelerate(self._transformer, self.device, self._dtype, kernels)
        self.attention = acceleration.attention
        self.device_class = device_class(self.device, threads, self.dtypes, kernels.cpu_class) + acceleration.suffix
        self._vae = load_codec(checkpoint, HOST, self.dtypes["vae"])
        self._adapters = Adapters(self._transformer, self._dtype, settings)
        self._turns = Turns(placement, self.device)
        self._turns.add("transformer", transformer_move(self._transformer, placement, self.device))
        self._turns.add("vae", self._vae.to)
        if placement.keeps:
            self._turns.bring("transformer", "vae")
        self._encoders = Encoders(checkpoint, self.device, self.dtypes)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor, tiled: bool = False) -> torch.Tensor:
        """See ``Renderer.decode``."""
        self._apply_threads()
        self._turns.bring("vae")
        raw = self._codec_latents(latents[None].to(self.device))
        if tiled:
            self._vae.enable_tiling()
        try:
            video = self._vae.decode(raw.to(self._vae.dtype)).sample[0]
        finally:
            if tiled:
                self._vae.disable_tiling()
        frames: torch.Tensor = video.permute(1, 2, 3, 0).contiguous().cpu()
        return frames

    def preview(self, latents: torch.Tensor) -> torch.Tensor:
        """See ``Renderer.preview``. The first call may take a second, to fit the colours of an unknown codec."""
        return self._colours.frames(latents)

    @property
    def transformer(self) -> Any:
        """Diffusers' model, for measurements between sections."""
        return self._transformer

    def _prepare(self, transformer: Any) -> None:
        """What the family does to its transformer when it has been read."""

    def _codec_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [batch, channels, frames, h, w] as the codec decodes them."""
        scaled: torch.Tensor = latents / self._vae.config.scaling_factor
        return scaled

    def _choose_dtypes(self, checkpoint: Checkpoint) -> dict[str, str]:
        names = [name for name in WITH_WEIGHTS if name in checkpoint.parts]
        dtypes = part_dtypes(names, checkpoint.dtypes, self._facts.get("dtypes", {}), self.device.type)
        if checkpoint.parts["transformer"].in_blocks:
            dtypes["transformer"] = GGUF
        elif self.placement.weight_bytes == 1 or (dtypes["transformer"] == "bf16" and self._kernels.fp8):
            dtypes["transformer"] = "fp8"
        return dtypes

    def _use_loras(self, params: SamplingParams) -> None:
        """Have the LoRAs of a section in the transformer; CheckpointError when one can't be used."""
        if self._adapters.active != params.loras:
            self._turns.bring()  # they join and leave where all weights of the transformer lie together
            with self._transformer.on_host():
                self._adapters.use(params.loras)

    @cached_property
    def _colours(self) -> LatentColours:
        return colours_of(self._vae, self._facts)

    @property
    def _dtype(self) -> torch.dtype:
        """What the transformer computes in."""
        return working_dtype(self.dtypes["transformer"], self.device)

    def _apply_threads(self) -> None:
        """Torch's thread count is one per process; another renderer or library may have changed it."""
        if self.device.type == "cpu" and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)


def finite(latents: torch.Tensor, index: int) -> torch.Tensor:
    """A section's latents, if all of them are numbers; FarmError otherwise."""
    if not torch.isfinite(latents).all():
        raise FarmError(f"section {index}: the model gave values that are not finite; lower gs or cfg.")
    return latents


def load_codec(checkpoint: Checkpoint, device: torch.device, dtype: str) -> Any:
    """The codec on ``device`` in ``dtype``; CheckpointError when it can't be read."""
    part = checkpoint.parts["vae"]
    return load_weights(codec_class(part), part.path, device, dtype, checkpoint.config("vae"))


def codec_class(vae: Part) -> Any:
    """Of the library that the part names; ``model`` is this one, whose only codecs are the puppet's."""
    library, name = vae.kind
    return getattr(import_module("model.puppet.layered" if library == "model" else library), name)
