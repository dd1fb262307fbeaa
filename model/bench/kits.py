"""What ``farm bench transformer`` needs of a family: both classes with the same weights, and a section for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from farm.errors import unknown_name

from . import helios, sizes
from .steps import Forward, through_diffusers


class Kit(Protocol):
    """Of one size."""

    def build(self, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
        """Our class with random weights, or with the very tensors of ``like``."""

    def build_diffusers(self, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
        """The same of diffusers' class."""

    def inputs(self, device: torch.device, dtype: torch.dtype) -> Any:
        """A section as our class takes it."""

    def noise(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Of its window [1, channels, frames, rows, columns]."""

    def through_diffusers(self, transformer: Any, inputs: Any) -> Callable[[Sequence[float]], Forward]:
        """That section through diffusers' class."""


@dataclass(frozen=True)
class PackedKit:
    """Of the packed transformer."""

    size: sizes.Size

    def build(self, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
        """See ``Kit``."""
        return sizes.build(self.size, device, dtype, like)

    def build_diffusers(self, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
        """See ``Kit``."""
        return sizes.build_diffusers(self.size, device, dtype, like)

    def inputs(self, device: torch.device, dtype: torch.dtype) -> Any:
        """See ``Kit``."""
        return sizes.section_inputs(self.size, device, dtype)

    def noise(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """See ``Kit``."""
        return sizes.noise(self.size, device, dtype)

    def through_diffusers(self, transformer: Any, inputs: Any) -> Callable[[Sequence[float]], Forward]:
        """See ``Kit``."""
        return through_diffusers(transformer, sizes.diffusers_keywords(inputs))


def find_kit(name: str) -> Kit:
    """The kit of the size called ``name``.

    Raises:
        InputError: there is none.
    """
    if name in helios.SIZES:
        return helios.HeliosKit(helios.SIZES[name])
    if name not in sizes.SIZES:
        raise unknown_name("size", name, [*sizes.SIZES, *helios.SIZES])
    return PackedKit(sizes.SIZES[name])
