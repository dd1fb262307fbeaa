"""Exporters in a process of their own: what they write, and what becomes of those that fail, crash or hang."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from farm.errors import PluginError, PluginFault, ProcessLostError, StorageError
from farm.processes import OWNER, mark_of_owner, scratch_folder
from plugins.exporters import ExportInfo
from plugins.exporters.base import Frame
from plugins.exporters.mp4 import Mp4Exporter
from plugins.exporters.process import export_apart
from plugins.manager import PluginManager

INFO = ExportInfo(width=64, height=48, fps=30, frames=20, title="Ball")

PLUGIN = """
import errno, os, signal, subprocess, sys, tempfile, threading, time
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
def killed(frames): next(frames); os.kill(os.getpid(), signal.SIGKILL)
def hangs_apart(frames): next(frames); subprocess.run(["setsid", "sleep", "71"])
def leaves_a_child(frames): list(frames); subprocess.Popen(["sleep", "72"], start_new_session=True)
def leaves_a_fork(frames): list(frames); os.fork() or time.sleep(73)
def crashes_beside_a_fork(frames): next(frames); os.fork() or time.sleep(74); os.kill(os.getpid(), signal.SIGSEGV)
def leaves_a_thread(frames): list(frames); threading.Thread(target=time.sleep, args=(75,)).start()
def litters(frames): list(frames); tempfile.mkdtemp(prefix="litter")
def interrupts(frames): next(frames); raise KeyboardInterrupt("no")

class Odd:
    extension, media_type = ".bin", "application/octet-stream"
    def __init__(self, work): self.name, self.work = work.__name__, work
    def export(self, frames, path, info):
        self.work(frames)
        path.write_bytes(b"done")

@hookimpl
def farm_exporters():
    return [Odd(work) for name, work in globals().items() if getattr(work, "__module__", "") == __name__
            and name not in ("Odd", "farm_exporters")]
"""


def children() -> set[psutil.Process]:
    """Every process that this one or a child of it started, however it tried to part from it."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(OWNER) == mark_of_owner():
                found.add(process)
    return found


@pytest.fixture(scope="module", autouse=True)
def others() -> set[psutil.Process]:
    """Children that were there before any exporter was, such as a Ray that tests share."""
    return children()


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> PluginManager:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "odd.py").write_text(PLUGIN)
    found = PluginManager(folder, packages=False)
    assert not found.plugins[-1].reason
    return found


def frames(count: int = INFO.frames, info: ExportInfo = INFO) -> Iterator[Frame]:
    for index in range(count):
        yield np.full((info.height, info.width, 3), 10 * index % 256, np.uint8)


def test_writes_what_the_exporter_writes_in_this_process(plugins: PluginManager, tmp_path: Path) -> None:
    export_apart(plugins.exporter("mp4"), frames(), tmp_path / "apart.mp4", INFO, 60)
    Mp4Exporter().export(frames(), tmp_path / "here.mp4", INFO)
    assert (tmp_path / "apart.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


@pytest.mark.parametrize("name", ["takes_one", "talks"])
def test_one_that_leaves_frames_or_prints_is_fine(plugins: PluginManager, tmp_path: Path, name: str) -> None:
    export_apart(plugins.exporter(name), frames(300), tmp_path / "out", replace(INFO, frames=300), 60)
    assert (tmp_path / "out").read_bytes() == b"done"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("bursts", PluginFault, r"exporter 'bursts' failed: RuntimeError: the encoder burst \(odd\.py:6\)"),
        ("full", StorageError, "the disk is full"),
        ("no_space", OSError, "No space left"),
        ("crashes", PluginError, "'crashes' was ended by signal 11"),
        ("leaves", PluginError, "'leaves' ended with code 3.*cannot find the codec"),
        ("killed", ProcessLostError, "'killed' was killed; it can be tried again"),
        ("crashes_beside_a_fork", PluginError, "was ended by signal 11"),
        ("interrupts", PluginFault, "'interrupts' failed: KeyboardInterrupt: no"),
    ],
)
def test_failure_names_its_reason(
    plugins: PluginManager, tmp_path: Path, name: str, kind: type[Exception], message: str
) -> None:
    large = replace(INFO, width=1024, height=512, frames=40)  # more than a pipe holds
    with pytest.raises(kind, match=message):
        export_apart(plugins.exporter(name), frames(40, large), tmp_path / "out", large, 60)


@pytest.mark.parametrize("name", ["hangs", "hangs_at_the_end", "hangs_apart"])
def test_one_that_hangs_is_stopped_with_all_its_processes(plugins: PluginManager, tmp_path: Path, name: str) -> None:
    large = replace(INFO, width=1024, height=512)
    started = time.monotonic()
    with pytest.raises(PluginError, match=f"'{name}' did nothing for 3 s .* FARM_EXPORTER_SECONDS"):
        export_apart(plugins.exporter(name), frames(20, large), tmp_path / "out", large, 3)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("name", ["leaves_a_child", "leaves_a_fork", "leaves_a_thread", "litters"])
def test_what_it_leaves_behind_ends_with_it(plugins: PluginManager, tmp_path: Path, name: str) -> None:
    started = time.monotonic()
    with scratch_folder("export", tmp_path) as folder:
        export_apart(plugins.exporter(name), frames(), Path(folder) / "out", INFO, 30)
        assert (Path(folder) / "out").read_bytes() == b"done"
    assert time.monotonic() - started < 20
    assert not list(tmp_path.iterdir()), "its temporary files lay in the folder of the export"


def test_no_process_of_any_exporter_is_left(others: set[psutil.Process]) -> None:
    assert not [process.cmdline() for process in children() - others]


def test_time_spent_on_making_frames_does_not_count(plugins: PluginManager, tmp_path: Path) -> None:
    def slowly() -> Iterator[Frame]:
        for frame in frames(3):
            time.sleep(2.5)
            yield frame

    export_apart(plugins.exporter("talks"), slowly(), tmp_path / "out", replace(INFO, frames=3), 4)


def test_what_the_frames_raise_is_passed_on(plugins: PluginManager, tmp_path: Path) -> None:
    def broken() -> Iterator[Frame]:
        yield from frames(3)
        raise StorageError("chunk 2 is damaged")

    with pytest.raises(StorageError, match="chunk 2"):
        export_apart(plugins.exporter("mp4"), broken(), tmp_path / "out.mp4", INFO, 60)
    assert not (tmp_path / "out.mp4").exists()
