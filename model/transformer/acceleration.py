"""Which kernels the blocks run on: the attention backend, regional compilation, 8-bit products.

Results depend on them, so whatever is not PyTorch's own choice is part of the device class. ``model.kernels`` says what
a machine's owner chose.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from diffusers.utils import logging

from farm.errors import InputError, unknown_name
from model.kernels import ATTENTION, AUTO, BACKENDS, MATMUL, NATIVE, Kernels

from .fp8 import can_multiply, multiply_in_fp8

_EXACT = {9: ("flash3", "cudnn", "flash"), 8: ("flash",)}
_EXACT_NEWEST = ("cudnn", "flash")


@dataclass(frozen=True)
class Acceleration:
    """What a transformer runs on. ``attention`` is a name of ``BACKENDS``; ``compiled``: its blocks are compiled;
    ``fp8``: their layers multiply 8-bit floats."""

    attention: str = NATIVE
    compiled: bool = False
    fp8: bool = False

    @property
    def suffix(self) -> str:
        """What it adds to the device class: nothing where PyTorch's own kernels run."""
        attention = "" if self.attention == NATIVE else f"-{self.attention}"
        return attention + ("-compiled" if self.compiled else "") + ("-fp8mm" if self.fp8 else "")


def accelerate(
    transformer: Any, device: torch.device, dtype: torch.dtype, kernels: Kernels = Kernels()
) -> Acceleration:
    """Give ``transformer`` its attention backend; compile its blocks and have its 8-bit layers multiply if asked to.

    Args:
        transformer: a diffusers model.
        device: where it computes.
        dtype: what it computes in.
        kernels: what was chosen for this machine.

    Raises:
        InputError: what was chosen does not run here.
    """
    head_dim = int(transformer.config.attention_head_dim)
    attention = choose_attention(device, dtype, head_dim, kernels.attention)
    with _quiet():
        transformer.set_attention_backend(BACKENDS[attention])
    if kernels.fp8 and not can_multiply(device):
        raise InputError(f"{MATMUL} is 'fp8', which needs an NVIDIA card of compute capability 8.9 or more; unset it.")
    fp8 = kernels.fp8 and multiply_in_fp8(transformer) > 0
    if kernels.compiled:
        transformer.compile_repeated_blocks()
    return Acceleration(attention, kernels.compiled, fp8)


def choose_attention(device: torch.device, dtype: torch.dtype, head_dim: int, wanted: str = AUTO) -> str:
    """The attention backend: ``wanted``, or the fastest exact one that runs.

    Candidates on CUDA, best first: FlashAttention 3, cuDNN and FlashAttention 2 on Hopper, cuDNN and FlashAttention 2
    on newer cards, FlashAttention 2 on Ampere and Ada, then PyTorch's own choice, which everything else gets at once.
    Each is tried on a small attention and compared with PyTorch's.

    Raises:
        InputError: ``wanted`` is no backend, or does not run on this device in this dtype.
    """
    if wanted != AUTO:
        if wanted not in BACKENDS:
            raise unknown_name("attention backend", wanted, [AUTO, *BACKENDS])
        if problem := try_attention(wanted, device, dtype, head_dim):
            raise InputError(f"{ATTENTION} is {wanted!r}, which does not run here ({problem}); unset it.")
        return wanted
    if device.type != "cuda":
        return NATIVE
    major = torch.cuda.get_device_capability(device)[0]
    candidates = _EXACT.get(major, _EXACT_NEWEST if major > 9 else ())
    return next((name for name in candidates if not try_attention(name, device, dtype, head_dim)), NATIVE)


@torch.no_grad()
def try_attention(name: str, device: torch.device, dtype: torch.dtype, head_dim: int) -> str:
    """Why the backend ``name`` can't be used for heads of ``head_dim``; empty if it can."""
    source = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 128, 2, head_dim, generator=source).to(device, dtype) for _ in range(3))
    q, k, v = (tensor.float().transpose(1, 2) for tensor in (query, key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    backend = AttentionBackendName(BACKENDS[name])
    try:
        with _quiet():
            _require(backend)
            result = dispatch_attention_fn(query, key, value, backend=backend)
    except Exception as error:  # noqa: BLE001 - foreign kernels raise anything
        return (str(error).splitlines() or [type(error).__name__])[0]
    worst = float((result.float() - expected).abs().max())
    return "" if worst < 0.05 else f"its result is off by {worst:.2g}"


def _require(backend: AttentionBackendName) -> None:
    """Check that the backend's package is there, and fetch its kernel if it is one from the Hub."""
    from diffusers.models import attention_dispatch

    attention_dispatch._check_attention_backend_requirements(backend)
    attention_dispatch._maybe_download_kernel_for_backend(backend)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without diffusers' notice that attention backends are experimental."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
