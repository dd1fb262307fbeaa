"""Where plug-ins come from, found without running any of their code.

In this order: installed packages with an entry point in the group ``farm.plugins``, and ``FARM_HOME/plugins`` (each
``NAME.py`` or folder with an ``__init__.py``).
"""

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from farm.errors import PluginError

GROUP = "farm.plugins"
_DATA = (".py", ".toml")


@dataclass(frozen=True)
class Source:
    """One plug-in, not yet imported.

    Attributes:
        name: unique among plug-ins.
        origin: for people: a file or folder, or ``package NAME``.
        version: of the package; empty for a file.
        entry: what to import, as an entry point writes it; empty for a file.
    """

    name: str
    origin: str
    version: str = ""
    entry: str = ""

    def module(self) -> ModuleType:
        """Import it. Runs someone else's code: done in a child process only."""
        if self.entry:
            found: ModuleType = importlib.metadata.EntryPoint(self.name, self.entry, GROUP).load()
            return found
        return _import_file(Path(self.origin))

    @property
    def root(self) -> Path | None:
        """Its file, or the folder of its package; None when it is not found."""
        return next(_roots_of(self), None)

    def content(self) -> str:
        """What it is, on whichever machine: package and version, or the hash of its files."""
        if self.entry:
            return f"{self.origin} {self.version}".strip()
        digest, root = hashlib.sha256(), Path(self.origin).parent
        for path in sorted(_files_of(self)):
            with suppress(OSError):
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
        return digest.hexdigest()

    def identity(self) -> str:
        """A hash that changes whenever one of its files does."""
        digest = hashlib.sha256(repr((self.name, self.origin, self.version, self.entry)).encode())
        for path in sorted(_files_of(self)):
            with suppress(OSError):
                stat = path.stat()
                digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        return digest.hexdigest()


def find_sources(*folders: Path | None, packages: bool = True) -> list[Source]:
    """Every plug-in there is: those of installed packages, then those in ``folders``, which need not exist."""
    found: list[Source] = []
    if packages:
        for entry in importlib.metadata.entry_points(group=GROUP):
            origin = f"package {entry.dist.name}" if entry.dist else "package"
            found.append(Source(entry.name, origin, entry.dist.version if entry.dist else "", entry.value))
    for folder in folders:
        visible = [] if folder is None or not folder.is_dir() else [*folder.iterdir()]
        visible = [path for path in visible if not path.name.startswith((".", "_"))]
        files = sorted(path for path in visible if path.suffix == ".py" or (path / "__init__.py").is_file())
        found.extend(Source(path.stem, str(path)) for path in files)
    return found


def _roots_of(source: Source) -> Iterator[Path]:
    if not source.entry:
        yield Path(source.origin)
    elif spec := PathFinder.find_spec(source.entry.partition(":")[0].partition(".")[0]):
        places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
        yield from (Path(place) for place in places if place)


def _files_of(source: Source) -> Iterator[Path]:
    for root in _roots_of(source):
        if root.is_dir():
            yield from (path for path in root.rglob("*") if path.suffix in _DATA)
        else:
            yield root


def _import_file(path: Path) -> ModuleType:
    name = f"farm_plugin_{path.stem.replace('-', '_')}"
    file = path if path.is_file() else path / "__init__.py"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} can't be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
