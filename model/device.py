"""Devices: opened so that results repeat, named by what decides their bits, and asked for their memory."""

import os
import time
from collections.abc import Mapping

import torch

from farm.errors import DeviceError

GB = 10**9
EXACT_PINNING = "pinned_max_round_threshold_mb:1"
"""Torch rounds pinned memory up to powers of two: 32.2 GB for the 18.9 of a streamed 13B transformer. From 1 MB on it
shall not. Torch reads this when it first allocates on a GPU."""
HOST = torch.device("cpu")


def open_device(name: str) -> torch.device:
    """Torch's device ``name``, with algorithms that give the same bits every time.

    Raises:
        DeviceError: torch has no such device here, or it does not work.
    """
    try:
        device = torch.device(name)
        if device.type == "cuda" and "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:
            os.environ.setdefault("PYTORCH_ALLOC_CONF", EXACT_PINNING)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"device {name!r} can't be used ({str(error).splitlines()[0]}); try 'cpu'.") from error
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return device


def device_class(device: torch.device, threads: int, dtypes: Mapping[str, str], cpu_class: str = "") -> str:
    """Device, threads and dtypes: that of the transformer, then those of the other parts unless all are equal to it.
    ``cpu_class``: on a CPU, see ``model.kernels.Kernels``."""
    first, *others = dtypes.values()
    kinds = [first] if set(others) == {first} else [first, *(others if len(set(others)) > 1 else others[:1])]
    if device.type == "cpu":
        return f"cpu-{threads}t-{'-'.join(kinds)}" + (f"-{cpu_class}" if cpu_class else "")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name.lower().replace(' ', '-')}-{'-'.join(kinds)}"


def free_memory(device: torch.device = HOST) -> int:
    """Bytes that can still be had on ``device``; on the CPU, those that programs can still get on this machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def total_memory(device: torch.device = HOST) -> int:
    """All bytes of ``device``; on the CPU, those of this machine."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    import psutil

    return int(psutil.virtual_memory().total)


def product_speed(device: torch.device, dtype: torch.dtype, size: int = 4096, times: int = 6) -> float:
    """TFLOP/s of products of two square matrices on ``device``, which are most of what a transformer does: the best of
    some, a few milliseconds on a card."""
    left, right = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(1 + times):  # the first one loads the library
        began = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits for it
        best = min(best, time.perf_counter() - began)
    return float(f"{2 * size**3 / best / 1e12:.3g}")


def graphics_cards() -> tuple[torch.device, ...]:
    """Every CUDA device of this machine."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(torch.device("cuda", index) for index in range(count))
