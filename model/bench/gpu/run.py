"""Runs the parts one after the other, each in a process of its own with a time limit; results are kept as they come."""

import json
import platform
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from farm.errors import unknown_name
from farm.files import written_aside
from model.bench.sizes import find_size
from model.device import open_device
from model.settings import ModelSettings

Row = dict[str, Any]
Emit = Callable[[Row], None]


@dataclass(frozen=True)
class Setup:
    """What every part is given. ``size``: a name of ``SIZES``; ``settings``: of this machine; ``seconds``: what the
    part may take."""

    size: str
    device: str
    settings: ModelSettings
    seconds: float


@dataclass(frozen=True)
class Part:
    """``function``: where it is, as module:name; ``share`` of the time; ``about``: for people."""

    function: str
    share: float
    about: str


PARTS = {
    "tests": Part("model.bench.gpu.tests:run", 0.15, "the tests that need a card"),
    "speed": Part("model.bench.gpu.speed:run", 0.45, "a denoising step: attention, compiled blocks, 8-bit products"),
    "codec": Part("model.bench.gpu.codec:run", 0.12, "decoding a chunk, in tiles and in one piece"),
    "plans": Part("model.bench.gpu.plans:run", 0.25, "a step under each memory plan"),
    "puppet": Part("model.bench.gpu.puppet:run", 0.1, "the bundled model: a section, training steps"),
    "helios": Part("model.bench.gpu.helios:run", 0.1, "steps of a 14B Helios through diffusers' class and ours"),
}
"""In order of worth. What a part leaves of its time is for those after it."""


def bench_gpu(
    device: str,
    settings: ModelSettings,
    size: str,
    minutes: float,
    parts: Sequence[str],
    file: Path | None,
    tell: Emit,
) -> Row:
    """Run ``parts``; ``tell`` gets each row when it is known, and ``file`` holds all of them so far.

    Raises:
        InputError: a name is unknown, or torch has no such device.
    """
    find_size(size)
    for name in parts:
        if name not in PARTS:
            raise unknown_name("part", name, list(PARTS))
    report: Row = {"device": about_device(open_device(device)), "size": size, "minutes": minutes, "rows": []}

    def keep(row: Row) -> None:
        report["rows"].append(row)
        tell(row)
        if file is not None:
            with written_aside(file) as aside:
                aside.write_text(json.dumps(report, indent=1) + "\n")

    ends = time.monotonic() + 60 * minutes
    weight = sum(PARTS[name].share for name in parts)
    for name in parts:
        left = ends - time.monotonic()
        if left < 1:
            keep({"part": name, "problem": "no time was left for it"})
            continue
        seconds = left * min(1.0, PARTS[name].share / weight)
        weight -= PARTS[name].share
        began = time.monotonic()
        run_part(name, PARTS[name].function, Setup(size, device, settings, seconds), keep)
        keep({"part": name, "took_s": time.monotonic() - began, "limit_s": seconds})
    return report


def run_part(name: str, function: str, setup: Setup, keep: Emit) -> None:
    """Run ``function`` in a process of its own and end it when its time is over; its troubles become a row."""
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, setup, sending))
    process.start()
    sending.close()
    ends = time.monotonic() + setup.seconds
    problem = ""
    with suppress(EOFError):
        while True:
            if not receiving.poll(max(0.0, ends - time.monotonic())):
                problem = f"ended after its {setup.seconds:.0f} s"
                break
            keep({"part": name, **receiving.recv()})
    if problem:
        process.kill()
    process.join()
    if process.exitcode and not problem:
        problem = f"its process ended with {process.exitcode}"
    if problem:
        keep({"part": name, "problem": problem})


def _child(function: str, setup: Setup, sending: Any) -> None:
    module, _, name = function.partition(":")
    try:
        getattr(import_module(module), name)(setup, sending.send)
    except Exception as error:  # noqa: BLE001 - a part's trouble is its own
        lines = str(error).splitlines()
        sending.send({"problem": f"{type(error).__name__}: {lines[0] if lines else ''}"})
        traceback.print_exc()
    sending.close()


def attempt(name: str, work: Callable[[], Mapping[str, Any]], emit: Emit) -> bool:
    """Emit what ``work`` finds under ``name``; or why it found nothing. Whether it did."""
    try:
        row = dict(work())
    except Exception as error:  # noqa: BLE001 - kernels raise anything
        lines = str(error).splitlines()
        emit({"name": name, "problem": f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]})
        return False
    emit({"name": name, **row})
    return True


def about_device(device: torch.device) -> Row:
    """Its name and memory, and the versions of what runs on it."""
    row: Row = {"torch": torch.__version__, "python": platform.python_version(), "name": platform.processor() or "cpu"}
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        row |= {
            "name": facts.name,
            "memory_gb": facts.total_memory / 1e9,
            "capability": f"{facts.major}.{facts.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return row


def reset_peak(device: torch.device) -> None:
    """Begin to count the peak anew."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_gb(device: torch.device) -> float | None:
    """GB of tensors at the peak; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None
