"""What it costs to have the artifacts at the head: the same work with a local folder and over HTTP, in one run.

The head is a process of its own that serves the nodes' door on loopback, so the network itself is not in the figures.
Files have the size of a 60 s video's at 608x640: latents of 3.5 MB and decoded chunks of 42 MB.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from farm.errors import ClusterError
from farm.jobs.records import Artifact
from farm.processes import Child, die_with_parent, module_command
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.tokens import ensure_token

BAR = 1.05
"""A job over HTTP should take no more than so many times the job with a folder."""
READ = 2
"""Sections whose latents a section, or a decoding, reads."""
FILES = 20
"""Of each size, for the figures of single steps."""
START_SECONDS = 60.0
TELL = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """Bytes of a section's latents and of a decoded chunk."""

    latents: int = 3_500_000
    chunk: int = 42_000_000


@dataclass(frozen=True)
class Step:
    """Seconds of a step with one file, medians: in the folder, and over HTTP."""

    name: str
    size: int
    folder: float
    http: float

    @property
    def ratio(self) -> float:
        return self.http / self.folder


@dataclass(frozen=True)
class StoreFigures:
    """``jobs``: seconds of the whole job by store; its sections, decodings and exports of chunks only sleep."""

    sections: int
    section: float
    decode: float
    export: float
    steps: list[Step] = field(default_factory=list)
    jobs: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """How much longer the job takes over HTTP."""
        return self.jobs["http"] / self.jobs["folder"]


@dataclass(frozen=True)
class Ways:
    """A store as three see it: the node that renders, one that decodes, and the head."""

    node: ArtifactStore
    other: ArtifactStore
    head: ArtifactStore


def bench_store(
    folder: Path,
    sections: int,
    seconds: tuple[float, float, float],
    sizes: Sizes = Sizes(),
    tell: TELL = lambda what: None,
) -> StoreFigures:
    """Measure, with everything below ``folder``: about 190 MB a section, and 4 GB.

    Args:
        seconds: that a section, a decoding, and the export of a chunk take.

    Raises:
        ClusterError: the head did not start.
        StorageError: the disk is full.
    """
    plain = open_store(Settings.for_home(folder / "plain"))
    head = Settings.for_home(folder / "head")
    with _served(head) as url:
        node, other = (open_store(_node(folder / name, url, head)) for name in ("node", "other"))
        ways = {"folder": Ways(plain, plain, plain), "http": Ways(node, other, open_store(head))}
        figures = StoreFigures(sections, *seconds)
        for name, size in (("latents", sizes.latents), ("chunk", sizes.chunk)):
            tell(f"single steps with {size / 1e6:g} MB")
            figures.steps.extend(_steps(ways, name, size))
        for name, way in ways.items():
            tell(f"a job of {sections} sections, {name}")
            figures.jobs[name] = _job(way, figures, sizes)
    return figures


def _steps(ways: dict[str, Ways], name: str, size: int) -> Iterator[Step]:
    """Each step with each file, the two stores in turns."""
    took: dict[str, dict[str, list[float]]] = {}
    for index in range(FILES):
        data, key = os.urandom(size), f"steps/{name}-{index}"
        for store, way in ways.items():
            times = took.setdefault(store, {})
            made: Artifact = _timed(times, f"write {name}", way.node.write, f"{key}.part", data)
            _timed(times, f"publish {name}", way.node.publish, f"{key}.part", key)
            for step in ("read cold", "read warm"):
                _timed(times, f"{step} {name}", way.other.read, key, made.sha256)
    for step in took["folder"]:
        folder, http = (statistics.median(took[store][step]) for store in ("folder", "http"))
        yield Step(step, size, folder, http)


def _timed(times: dict[str, list[float]], name: str, work: Callable[..., T], *given: Any) -> T:
    began = time.perf_counter()
    made = work(*given)
    times.setdefault(name, []).append(time.perf_counter() - began)
    return made


def _job(way: Ways, figures: StoreFigures, sizes: Sizes) -> float:
    """Seconds of a job: one node renders sections, another decodes each when it is there, the first exports, reading
    one chunk ahead as the farm does. The head publishes."""
    job, latents = uuid4().hex, list[Artifact]()
    contents = os.urandom(sizes.latents), os.urandom(sizes.chunk)
    began = time.perf_counter()

    def decoded(index: int, read: list[Artifact]) -> Artifact:
        for made in read:
            way.other.read(made.key, made.sha256)
        time.sleep(figures.decode)
        return _committed(way, way.other, f"jobs/{job}/frames-{index}", index, contents[1])

    with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as reader:
        chunks = []
        for index in range(figures.sections):
            for made in latents[-READ:]:
                way.node.read(made.key, made.sha256)
            time.sleep(figures.section)
            latents.append(_committed(way, way.node, f"jobs/{job}/latents-{index}", index, contents[0]))
            chunks.append(decoder.submit(decoded, index, latents[-READ:]))
        coming: Future[bytes] | None = None
        for chunk in chunks:
            made = chunk.result()
            following = reader.submit(way.node.read, made.key, made.sha256)
            if coming is not None:
                coming.result()
                time.sleep(figures.export)
            coming = following
        assert coming is not None
        coming.result()
        time.sleep(figures.export)
    return time.perf_counter() - began


def _committed(way: Ways, store: ArtifactStore, key: str, index: int, content: bytes) -> Artifact:
    made = store.write(f"{key}.part", index.to_bytes(8, "big") + content[8:])
    way.head.publish(made.key, key)
    return replace(made, key=key)


def _node(home: Path, url: str, head: Settings) -> Settings:
    return replace(Settings.for_home(home), artifacts_url=url, node_token=ensure_token(head.node_token_path))


@contextmanager
def _served(head: Settings) -> Iterator[str]:
    """URL of a head that serves its door in a process of its own."""
    ensure_token(head.node_token_path)
    with Child(module_command(__name__, str(head.home)), START_SECONDS) as child:
        with child.limited():
            url = child.stdout.readline().decode().strip()
        if not url:
            raise ClusterError("the head of the bench did not start.")
        yield url


def main() -> None:
    """``python -m farm.api.bench_store HOME``: serve the door alone, at the URL that is printed."""
    die_with_parent()
    import uvicorn
    from starlette.responses import PlainTextResponse

    from farm.connections import GuardedProtocol

    from .store_door import StoreDoor

    door = StoreDoor(PlainTextResponse("no", 404), Settings.for_home(Path(sys.argv[1])))
    config = uvicorn.Config(door, port=0, log_level="error", http=GuardedProtocol)
    with config.bind_socket() as listener:
        print("http://{}:{}".format(*listener.getsockname()), flush=True)  # connections wait from now on
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
