"""Moving a transformer between host and card: whole, without what works ahead of the steps, or block by block."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from diffusers.hooks import HookRegistry
from diffusers.hooks.group_offloading import (
    _GROUP_OFFLOADING,
    _LAYER_EXECUTION_TRACKER,
    _LAZY_PREFETCH_GROUP_OFFLOADING,
)
from torch import nn

_Module: Any = nn.Module
"""Without annotations, as diffusers' models are."""


class Placeable(_Module):
    """To be put before a model class of diffusers. A family's transformer says what of it works ahead of the steps.

    ``constants``: names of the modules that work once per section.
    """

    constants: tuple[str, ...] = ()
    _streamed_to: torch.device | None = None

    def absent(self) -> AbstractContextManager[None]:
        """Inside the block, which may be entered within itself, modules beside ``constants`` are out of the way whose
        output is known by then."""
        return nullcontext()

    def ahead_layers(self) -> list[nn.Module]:
        """Those modules."""
        return []

    def place(self, device: torch.device | str, *, constants_on: torch.device | str | None = None) -> None:
        """Move the weights to ``device``, but those that only work ahead of the steps to ``constants_on``, if given.

        The transformer then needs a memo at every call: with one it brings those weights over for the first step of a
        section, a layer at a time.
        """
        constant = dict(self._constant_modules())
        with self.absent():
            for name in constant:
                setattr(self, name, None)
            try:
                self.to(device)
            finally:
                for name, module in constant.items():
                    setattr(self, name, module)
        for module in (*constant.values(), *self.ahead_layers()):
            module.to(device if constants_on is None else constants_on)

    def stream_to(self, device: torch.device) -> None:
        """Keep the weights on the host, in pinned memory; copy each block to ``device`` while the one before computes.

        Done by diffusers' group offloading. What works ahead of the steps is brought over a layer at a time: offloading
        knows nothing of it, so it has to be absent whenever its hooks run.
        """
        with self.absent():
            if device.type == "cuda":
                for weight in (*self.parameters(), *self.buffers()):  # one by one, for they would be there twice
                    weight.data = weight.data.pin_memory()
            self.enable_group_offload(
                onload_device=device,
                offload_device=torch.device("cpu"),
                offload_type="block_level",
                num_blocks_per_group=1,
                use_stream=device.type == "cuda",
            )
        self._streamed_to = device

    @contextmanager
    def on_host(self) -> Iterator[None]:
        """Inside the block a streamed transformer lies on the host without hooks, so that layers may join and leave."""
        device, self._streamed_to = self._streamed_to, None
        if device is not None:
            hooks = HookRegistry.check_if_exists_or_initialize(self)
            for name in (_GROUP_OFFLOADING, _LAYER_EXECUTION_TRACKER, _LAZY_PREFETCH_GROUP_OFFLOADING):
                hooks.remove_hook(name, recurse=True)
            self.to("cpu")
        try:
            yield
        finally:
            if device is not None:
                self.stream_to(device)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward``, around which hooks run; see there."""
        with nullcontext() if self._streamed_to is None else self.absent():
            return super().__call__(*args, **kwargs)

    def _constant_modules(self) -> list[tuple[str, nn.Module]]:
        """Those of ``constants`` that there are."""
        return [(name, getattr(self, name)) for name in self.constants if getattr(self, name, None) is not None]
