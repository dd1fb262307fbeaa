"""The text and image encoders: read when conditioning is computed, kept only where there is room."""

from typing import Any

import torch
from diffusers.hooks import apply_group_offloading
from diffusers.hooks.group_offloading import _get_group_onload_device, _is_group_offload_enabled

from .checkpoint import WITHOUT_WEIGHTS, Checkpoint, Part
from .components import TORCH_DTYPES, load_processor, load_weights
from .device import HOST, free_memory, total_memory

ROOM = 0.25
"""Share of the device's memory up to which the encoders stay in it between two jobs."""
FITS = 1.1
"""Free memory that an encoder needs to run on a GPU, as a multiple of its weights."""


class Encoders:
    """Encoders and processors by name, each read when it is first asked for."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, dtypes: dict[str, str]) -> None:
        self._checkpoint = checkpoint
        self._device = device
        self._dtypes = dtypes
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """CheckpointError when it can't be read."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of those in memory."""
        return tuple(self._loaded)

    def release(self) -> None:
        """Free the memory of all that have weights."""
        for name in [name for name in self._loaded if name in self._dtypes]:
            del self._loaded[name]
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def release_if_large(self, may_stay: bool = True) -> None:
        """Free them when they take more than ``ROOM`` of the device's memory, or may not stay on a GPU."""
        if self._device.type == "cuda" and not may_stay:
            return self.release()
        held = [self._loaded[name] for name in self._loaded if name in self._dtypes]
        size = sum(tensor.nbytes for module in held for tensor in module.parameters())
        if size > ROOM * total_memory(self._device):
            self.release()

    def _load(self, name: str) -> Any:
        part = self._checkpoint.parts[name]
        if name in WITHOUT_WEIGHTS:
            return load_processor(_class_of(part), part.path)
        device = self._device_for(part)
        config = self._checkpoint.config(name)
        model = load_weights(_class_of(part), part.path, device, self._dtypes[name], config)
        if name == "text_encoder" and device != self._device:
            self._stream(model)
        return model

    def _stream(self, model: Any) -> None:
        """Have ``model``, which lies on the host, compute on the card, to which its layers come one by one."""
        apply_group_offloading(
            model,
            onload_device=self._device,
            offload_device=HOST,
            offload_type="leaf_level",
            use_stream=True,
            low_cpu_mem_usage=True,  # pinned a layer at a time: it is read once a job
        )

    def _device_for(self, part: Part) -> torch.device:
        """The device, or the CPU when the weights of ``part`` don't fit what is free there now."""
        size = part.numbers * TORCH_DTYPES[self._dtypes[part.name]].itemsize
        fits = self._device.type == "cpu" or size * FITS <= free_memory(self._device)
        return self._device if fits else HOST


def _class_of(part: Part) -> Any:
    """Transformers' class of an encoder or processor: tokenizers of any kind, and image processors without torch."""
    import transformers

    name = "AutoTokenizer" if part.name.startswith("tokenizer") else part.kind[1]
    if name == "SiglipImageProcessor":
        name = "SiglipImageProcessorPil"
    return getattr(transformers, name)


def works_on(encoder: Any) -> torch.device:
    """Where an encoder computes: where it lies, or the card to which its layers come."""
    device: torch.device = _get_group_onload_device(encoder) if _is_group_offload_enabled(encoder) else encoder.device
    return device
