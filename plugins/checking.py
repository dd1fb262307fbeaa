"""All that is wrong with one plug-in, and what it does: `farm plugins check`. Its code runs in a child process."""

import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from farm.errors import InputError, unknown_name
from farm.processes import Child, ending, last_words, module_command, scratch_folder

from .sources import GROUP, Source, find_sources

SECONDS = 120.0
"""Longest time that one step may take, such as one export of a second of video."""
_WORKER = "plugins.checking_worker"


@dataclass(frozen=True)
class Problem:
    """What is wrong, in one line; ``where`` in the code, as far as that is known."""

    message: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass
class Report:
    """What a check found: ``problems``, things that ``done`` well, and ``notes``."""

    problems: list[Problem] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sources_at(target: str, plugins_dir: Path) -> tuple[list[Source], list[Path]]:
    """The plug-ins that a person means, and folders where their modules are.

    Args:
        target: a Python file, a folder with an ``__init__.py``, a project with a ``pyproject.toml``, or a known name.
        plugins_dir: where those of this home are.

    Raises:
        InputError: it is none of these.
    """
    path = Path(target)
    if (path / "pyproject.toml").is_file():
        return _of_project(path)
    if (path.suffix == ".py" and path.is_file()) or (path / "__init__.py").is_file():
        return [Source(path.stem, str(path.resolve()))], []
    if path.exists():
        raise InputError(
            f"{target} is no plug-in: expected a Python file, a package, or a project with pyproject.toml."
        )
    known = find_sources(plugins_dir)
    found = [source for source in known if source.name == target]
    if not found:
        raise unknown_name("plug-in, file or folder", target, [source.name for source in known])
    return found, []


def _of_project(folder: Path) -> tuple[list[Source], list[Path]]:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        entries = dict(project["entry-points"][GROUP])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{folder / 'pyproject.toml'} names no plug-in; it needs a table "
            f'[project.entry-points."{GROUP}"] with NAME = "MODULE".'
        ) from None
    version = str(project.get("version", ""))
    return [Source(name, f"project {folder}", version, str(entry)) for name, entry in entries.items()], [
        folder.resolve(),
        folder.resolve() / "src",
    ]


def check(source: Source, paths: Iterable[Path] = (), seconds: float = SECONDS) -> Report:
    """Import it, ask what it offers, hold its exporters to their contract with a second of video.

    Args:
        source: the plug-in.
        paths: where its modules are, beside the usual places.
        seconds: longest time of one step.
    """
    report, at, ended = Report(), "importing it", False
    search = os.pathsep.join(filter(None, [*map(str, paths), *sys.path]))
    with scratch_folder("check") as folder, tempfile.TemporaryFile() as noise:
        environment = {"PYTHONPATH": search, "TMPDIR": folder}
        with Child(module_command(_WORKER), seconds, environment=environment, stderr=noise) as child:
            with child.limited(), suppress(BrokenPipeError):
                child.stdin.write(json.dumps(asdict(source)).encode())
                child.stdin.close()
            while line := _line(child):
                said = json.loads(line)
                at, ended = said.get("at", at), said.get("end", ended)
                report.problems += [Problem(**said["problem"])] if "problem" in said else []
                report.done += [said["done"]] if "done" in said else []
                report.notes += [said["note"]] if "note" in said else []
        if not ended:
            last = last_words(noise)
            how = f"took longer than {seconds:g} s" if child.expired else ending(child.process.returncode)
            report.problems.append(Problem(f"{at} ended the process ({how}){': ' + last if last else ''}"))
    return report


def _line(child: Child) -> bytes:
    with child.limited():
        return child.stdout.readline()
