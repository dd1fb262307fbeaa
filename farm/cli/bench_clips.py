"""Clips that a bench renders in processes of its own, each kept in a file as it is finished, so that it can go on."""

import json
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer

from farm.errors import InputError
from farm.files import written_aside

from .bench_farm import check_json, tell

KEPT = typer.Option("--json", metavar="FILE", help="Keep each finished clip here; run again to go on.")
Workers = Annotated[int, typer.Option(min=0, help="Processes of one torch thread; 0: one per core.")]
Steps = Annotated[int, typer.Option(min=1, max=100, help="Denoising steps.")]


class Kept(Protocol):
    """A finished clip."""

    def to_json(self) -> dict[str, Any]:
        """Its fields."""


W = TypeVar("W")
C = TypeVar("C", bound=Kept)


def render_clips(
    works: Sequence[W],
    judge: Callable[[W], C],
    kind: Callable[..., C],
    name: Callable[[W | C], Hashable],
    file: Path | None,
    settings: dict[str, Any],
    workers: int,
) -> list[C]:
    """The clips of ``works``, those that ``file`` has and those that are rendered now.

    Args:
        judge: renders one, in a process that is prepared.
        kind: makes a clip of its fields.
        name: tells clips apart, of a work as of its clip.
        settings: all that the clips of one file have in common.

    Raises:
        InputError: the file holds something else.
    """
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    from farm.settings import Settings
    from model.puppet.orders import prepare

    check_json(file)
    machine = Settings.from_environment().model
    kept = {name(clip): clip for clip in _read(file, kind, settings)}
    left = [work for work in works if name(work) not in kept]
    tell(f"{len(left)} of {len(works)} clips are left")
    if left:
        with ProcessPoolExecutor(workers or os.cpu_count() or 1, get_context("spawn"), prepare, (machine,)) as pool:
            for done in as_completed([pool.submit(judge, work) for work in left]):
                clip = done.result()
                kept[name(clip)] = clip
                _write(file, settings, kept.values())
                tell(f"{len(kept)} clips")
    return [kept[name(work)] for work in works]


def _read(path: Path | None, kind: Callable[..., C], settings: dict[str, Any]) -> list[C]:
    if path is None or not path.exists():
        return []
    try:
        held = json.loads(path.read_text())
        clips = [kind(**row) for row in held["clips"]]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} holds no clips of this command; name another file.") from None
    if held.get("settings") != settings:
        raise InputError(f"{path} holds clips of other settings, {held.get('settings')}; name another file.")
    return clips


def _write(path: Path | None, settings: dict[str, Any], clips: Iterable[Kept]) -> None:
    if path is not None:
        with written_aside(path) as aside:
            aside.write_text(json.dumps({"settings": settings, "clips": [clip.to_json() for clip in clips]}) + "\n")
