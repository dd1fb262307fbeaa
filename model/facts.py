"""What the families say about themselves, as data: a TOML file each, in the family's folder. No torch."""

import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from farm.errors import InputError, unknown_name

FOLDER = Path(__file__).parent / "families"
BUNDLED = "puppet"
"""The family that comes with its weights, named first."""
_found = sorted(FOLDER.glob("*/*.toml"), key=lambda file: (file.stem != BUNDLED, file.stem))
_own = {file.stem: file for file in _found}
_brought: dict[str, tuple[Path, Callable[[], Any]]] = {}
"""Those of plug-ins: their facts, and what imports the class of their renderer."""


def family_names() -> tuple[str, ...]:
    """Every family that is known, those of plug-ins included."""
    return (*_own, *_brought)


def is_own(name: str) -> bool:
    """Whether ``name`` is a family that comes with the farm."""
    return name in _own


def facts_file(name: str) -> Path:
    """Where the family ``name`` is described; InputError when there is none of that name."""
    if name in _own:
        return _own[name]
    if name in _brought:
        return _brought[name][0]
    raise unknown_name("model family", name, list(family_names()))


def add_family(file: Path, renderer: Callable[[], Any]) -> None:
    """Make a family of a plug-in known in this process: it is called as its file of facts.

    Args:
        file: its facts, as those in the families' folders.
        renderer: imports and gives the class of its renderer, which is made as ``model.renderer.CheckpointRenderer``.

    Raises:
        InputError: a family of the farm's own has its name.
    """
    if is_own(file.stem):
        raise InputError(f"a model family called {file.stem!r} exists already; choose another name.")
    _brought[file.stem] = file, renderer


def forget_family(name: str) -> None:
    """Have this process not know a plug-in's family any more."""
    _brought.pop(name, None)


def renderer_class(name: str) -> Any:
    """The class of the family's renderer: a plug-in's, or the one that its facts name as ``module:class``."""
    if name in _brought:
        return _brought[name][1]()
    module, _, kind = family_facts(name)["renderer"].partition(":")
    return getattr(import_module(module), kind)


def family_facts(name: str) -> Mapping[str, Any]:
    """Facts of the family ``name``, with those of the family that it is like; not to be changed."""
    file = facts_file(name)
    facts = dict(_read(file, file.stat().st_mtime_ns))
    like = facts.pop("like", None)
    if like is None:
        return {"name": name, **facts}
    return {**_over(family_facts(like), facts), "name": name}


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with what ``own`` says in its place, table by table."""
    tables = {
        name: _over(base[name], value)
        for name, value in own.items()
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
    }
    return {**base, **own, **tables}


@lru_cache(maxsize=32)
def _read(file: Path, changed: int) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))
