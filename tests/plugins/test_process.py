"""Exporters in a process of their own: what they write, and what becomes of those that fail, crash or hang."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from farm.errors import PluginError, StorageError
from farm.settings import Settings
from plugins.exporters import ExportInfo
from plugins.exporters.base import Frame
from plugins.exporters.mp4 import Mp4Exporter
from plugins.exporters.process import _Watch, export_apart

INFO = ExportInfo(width=64, height=48, fps=30, frames=20, title="Ball")

PLUGIN = """
import errno, os, signal, subprocess, sys, time
from farm.errors import StorageError
from plugins.hookspecs import hookimpl

def bursts(frames): next(frames); raise RuntimeError("the encoder burst")
def full(frames): raise StorageError("the disk is full")
def no_space(frames): raise OSError(errno.ENOSPC, "No space left on device")
def crashes(frames): next(frames); os.kill(os.getpid(), signal.SIGSEGV)
def leaves(frames): next(frames); print("cannot find the codec", file=sys.stderr); sys.stderr.flush(); os._exit(3)
def hangs(frames): next(frames); subprocess.run(["sleep", "60"])
def hangs_at_the_end(frames): list(frames); time.sleep(60)
def takes_one(frames): next(frames)
def talks(frames): print("{} hello"); os.write(1, b"noise"); list(frames)

class Odd:
    extension, media_type = ".bin", "application/octet-stream"
    def __init__(self, work): self.name, self.work = work.__name__, work
    def export(self, frames, path, info):
        self.work(frames)
        path.write_bytes(b"done")

@hookimpl
def farm_exporters():
    return [Odd(w) for w in (bursts, full, no_space, crashes, leaves, hangs, hangs_at_the_end, takes_one, talks)]
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = Settings.for_home(tmp_path_factory.mktemp("home")).ensure_home()
    (found.plugins_dir / "odd.py").write_text(PLUGIN)
    return found


def frames(count: int = INFO.frames, info: ExportInfo = INFO) -> Iterator[Frame]:
    for index in range(count):
        yield np.full((info.height, info.width, 3), 10 * index % 256, np.uint8)


def test_writes_what_the_exporter_writes_in_this_process(settings: Settings, tmp_path: Path) -> None:
    export_apart("mp4", frames(), tmp_path / "apart.mp4", INFO, settings)
    Mp4Exporter().export(frames(), tmp_path / "here.mp4", INFO)
    assert (tmp_path / "apart.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


@pytest.mark.parametrize("name", ["takes_one", "talks"])
def test_one_that_leaves_frames_or_prints_is_fine(settings: Settings, tmp_path: Path, name: str) -> None:
    export_apart(name, frames(300), tmp_path / "out", replace(INFO, frames=300), settings)
    assert (tmp_path / "out").read_bytes() == b"done"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("bursts", PluginError, r"exporter 'bursts' failed: RuntimeError: the encoder burst"),
        ("full", StorageError, "the disk is full"),
        ("no_space", OSError, "No space left"),
        ("crashes", PluginError, "'crashes' was ended by signal 11"),
        ("leaves", PluginError, "'leaves' ended with code 3.*cannot find the codec"),
    ],
)
def test_failure_names_its_reason(
    settings: Settings, tmp_path: Path, name: str, kind: type[Exception], message: str
) -> None:
    large = replace(INFO, width=1024, height=512, frames=40)  # more than a pipe holds
    with pytest.raises(kind, match=message):
        export_apart(name, frames(40, large), tmp_path / "out", large, settings)


@pytest.mark.parametrize("name", ["hangs", "hangs_at_the_end"])
def test_one_that_hangs_is_stopped_with_all_its_processes(settings: Settings, tmp_path: Path, name: str) -> None:
    large = replace(INFO, width=1024, height=512)
    started = time.monotonic()
    with pytest.raises(PluginError, match=f"'{name}' did nothing for 3 s .* FARM_EXPORTER_SECONDS"):
        export_apart(name, frames(20, large), tmp_path / "out", large, replace(settings, exporter_seconds=3))
    assert time.monotonic() - started < 20


def test_time_spent_on_making_frames_does_not_count() -> None:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    watch = _Watch(child, 0.5)
    time.sleep(1)
    assert child.poll() is None and not watch.expired
    with watch.limited():
        child.wait(10)
    watch.end()
    assert watch.expired


def test_what_the_frames_raise_is_passed_on(settings: Settings, tmp_path: Path) -> None:
    def broken() -> Iterator[Frame]:
        yield from frames(3)
        raise StorageError("chunk 2 is damaged")

    with pytest.raises(StorageError, match="chunk 2"):
        export_apart("mp4", broken(), tmp_path / "out.mp4", INFO, settings)
    assert not (tmp_path / "out.mp4").exists()
