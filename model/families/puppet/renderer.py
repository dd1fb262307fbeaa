"""The renderer of the bundled miniature: a FramePack model whose latents are pictures of two sizes."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property

import torch

from model.families.framepack.renderer import FramePackRenderer
from model.footage.footage import Footage
from model.puppet.codec import SPACE


class PuppetRenderer(FramePackRenderer):
    """Implements ``model.family.WithSizes``, too."""

    def at(self, resolution: int | None) -> "PuppetRenderer":
        """See ``WithSizes.at``; both share what is in memory."""
        info = self.info.at(resolution)
        if info is self.info:
            return self
        if info.resolution not in self._sizes:
            other = self._sizes[info.resolution] = copy(self)
            other.info = info
        return self._sizes[info.resolution]

    def encode(
        self, image: bytes | Footage, prompts: tuple[str, ...], n_prompt: str, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """See ``FramePackRenderer.encode``."""
        with self._sized():
            return super().encode(image, prompts, n_prompt, seed)

    def decode(self, latents: torch.Tensor, tiled: bool = False) -> torch.Tensor:
        """See ``Renderer.decode``."""
        with self._sized():
            return super().decode(latents, tiled)

    @cached_property
    def _sizes(self) -> "dict[int, PuppetRenderer]":
        """Those that were asked for, by resolution."""
        return {}

    @contextmanager
    def _sized(self) -> Iterator[None]:
        """Have the codec work at this renderer's size meanwhile."""
        small = self.info.latent_pixels == SPACE < self._vae.space
        if small:
            self._vae.disable_details()
        try:
            yield
        finally:
            if small:
                self._vae.enable_details()
