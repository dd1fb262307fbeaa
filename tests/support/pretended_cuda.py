"""A CUDA device that is not there, for machines without a GPU: it finds out where code mixes devices or dtypes.

Its tensors are torch's fake ones, with shape, dtype and device but no data. Tensors of the CPU stay real; what comes
back from the card is zeros. The memory that its tensors take is counted.
"""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any, tree_map_only

GB = 10**9
NAME = "Pretended GPU"
LARGE = 5_000_000
"""Values from which a tensor stays without data on the CPU too."""

_GUARD = """
#include <c10/core/impl/DeviceGuardImplInterface.h>
namespace { C10_REGISTER_GUARD_IMPL(CUDA, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA>); }
"""
"""Torch without CUDA knows no current CUDA device, which many methods of a tensor ask for."""

_OF_ONE_DTYPE = {getattr(torch.ops.aten, name) for name in ("mm", "addmm", "bmm", "baddbmm", "linear", "convolution")}

_SDPA = torch.nn.functional.scaled_dot_product_attention


@contextmanager
def pretended_cuda() -> Iterator["Pretending"]:
    """Inside the block there is one CUDA device, ``cuda:0``, of 24 GB.

    Attention takes no room but its result there, as that of fused kernels.
    Skips the test where there is a GPU, or no C++ compiler.
    """
    if torch.cuda.is_available():
        pytest.skip("there is a real GPU")
    _register_guard()
    with pytest.MonkeyPatch.context() as patch:
        pretending = Pretending()
        for name, value in _cuda(pretending).items():
            patch.setattr(torch.cuda, name, value)
        patch.setattr(torch.Tensor, "pin_memory", lambda self, *args: self)
        patch.setattr(torch.Tensor, "is_pinned", lambda self, *args: True)
        for kind in (float, int, bool):
            patch.setattr(FakeTensor, f"__{kind.__name__}__", lambda self, kind=kind: kind(self.item()), raising=False)
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", _attention)
        patch.setattr(torch.nn.Module, "_apply", _apply)
        patch.setattr(torch.nn.Parameter, "data", _DATA, raising=False)
        patch.setattr(FakeTensor, "data", _DATA, raising=False)
        lifts = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            with pretending:
                yield pretending
        finally:
            torch._C._set_only_lift_cpu_tensors(lifts)


class Pretending(TorchDispatchMode):
    """Operations with a fake tensor, or for the card, are pretended; all others are done.

    ``peak``: the most bytes that tensors took on the card; may be set to 0, to begin anew. ``free``: what the card says
    is free.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fakes = FakeTensorMode()
        self.peak = 0
        self.free = 22 * GB
        self._used = 0
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        to_card = device is not None and torch.device(device).type == "cuda"
        if not to_card and not tree_any(lambda value: isinstance(value, FakeTensor), (args, kwargs)):
            return func(*args, **kwargs)
        if func is torch.ops.aten._local_scalar_dense.default:
            return torch.zeros((), dtype=args[0].dtype).item()
        if func.overloadpacket in _OF_ONE_DTYPE:
            dtypes = {arg.dtype for arg in args if isinstance(arg, torch.Tensor) and arg.is_floating_point()}
            if len(dtypes) > 1:
                raise RuntimeError(f"{func} of more than one dtype: {', '.join(sorted(map(str, dtypes)))}")
        with self.fakes:
            args, kwargs = tree_map_only(torch.Tensor, _faked, (args, kwargs))
            result = func(*args, **kwargs)
        return tree_map_only(FakeTensor, self._returned, result)

    def _returned(self, tensor: FakeTensor) -> torch.Tensor:
        if tensor.device.type != "cuda":
            return tensor if tensor.numel() > LARGE else torch.zeros(tensor.shape, dtype=tensor.dtype)
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages or self._storages[storage._cdata][0].expired():
            self._forget(storage._cdata)
            self._storages[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
            self._used += storage.nbytes()
            if self._used > self.peak:
                self._sweep()
                self.peak = max(self.peak, self._used)
        return tensor

    def _sweep(self) -> None:
        for key in [key for key, (reference, _) in self._storages.items() if reference.expired()]:
            self._forget(key)

    def _forget(self, key: int) -> None:
        self._used -= self._storages.pop(key, (None, 0))[1]


def _faked(tensor: torch.Tensor) -> torch.Tensor:
    if isinstance(tensor, FakeTensor):
        return tensor
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=tensor.device)


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
    """As a fused kernel: no matrix of scores."""
    if not isinstance(query, FakeTensor):
        return _SDPA(query, key, value, *args, **options)
    assert len({(tensor.device, tensor.dtype) for tensor in (query, key, value)}) == 1, "attention mixes its inputs"
    return query.new_empty((*query.shape[:-1], value.shape[-1]))


def _set_data(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """``tensor.data = value`` where either may be fake: they change places, the object stays the same."""
    if not isinstance(tensor, FakeTensor) and not isinstance(value, FakeTensor):
        torch.Tensor.data.__set__(tensor, value)  # type: ignore[attr-defined]
        return
    other = torch.nn.Parameter(value.detach(), requires_grad=tensor.requires_grad)
    kind, attributes = tensor.__class__, tensor.__dict__
    torch._C._swap_tensor_impl(tensor, other)
    tensor.__class__, tensor.__dict__ = other.__class__, other.__dict__
    other.__class__, other.__dict__ = kind, attributes


_DATA = property(lambda tensor: torch.Tensor.data.__get__(tensor), _set_data)  # type: ignore[attr-defined]


def _apply(module: torch.nn.Module, change: Any, recurse: bool = True) -> torch.nn.Module:
    """``Module._apply`` as it works between real devices: parameters stay the same objects."""
    for child in module.children() if recurse else ():
        child._apply(change)
    for parameter in module._parameters.values():
        if parameter is not None:
            parameter.data = change(parameter.data)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = change(buffer)
    return module


def _cuda(pretending: Pretending) -> dict[str, Any]:
    class Stream:
        def __init__(self, *args: Any, **options: Any) -> None: ...
        def synchronize(self) -> None: ...

    card = SimpleNamespace(name=NAME, major=9, minor=0, total_memory=24 * GB)
    return {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_name": lambda device=None: card.name,
        "get_device_capability": lambda device=None: (card.major, card.minor),
        "get_device_properties": lambda device=None: card,
        "mem_get_info": lambda device=None: (pretending.free, card.total_memory),
        "empty_cache": lambda: None,
        "Stream": Stream,
        "current_stream": lambda device=None: Stream(),
        "stream": lambda stream: nullcontext(),
    }


@cache
def _register_guard() -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    torch_home = Path(torch.__file__).parent
    options = ["-std=c++20", "-shared", "-fPIC", f"-I{torch_home / 'include'}", f"-L{torch_home / 'lib'}", "-lc10"]
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "guard.cpp"), Path(folder, "guard.so")
        source.write_text(_GUARD)
        subprocess.run([compiler, str(source), "-o", str(library), *options], check=True, capture_output=True)
        ctypes.CDLL(str(library))
