"""Presets that people keep in a home: saved as files, removed again, and which one each model starts with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from farm.errors import StorageError
from farm.files import written_aside
from farm.jobs.filenames import slug
from farm.jobs.submission import Submission
from farm.locks import lock

from .presets import Preset, read_defaults


@contextmanager
def one_change(folder: Path) -> Iterator[None]:
    """Whoever changes presets of a home does so alone: what a change looked at stays as it is until it is made.

    Raises:
        StorageError: the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("wb")
    except OSError as error:
        raise StorageError(f"can't write into {folder}: {error.strerror}.") from None
    with file:
        lock(file)
        yield


def save_preset(folder: Path, preset: Preset, path: Path | None = None) -> Path:
    """Write a preset into ``folder``, as ``path`` if it is there already; gives the file.

    Raises:
        StorageError: it can't be written.
    """
    path = path or _free(folder, slug(preset.name))
    head = {"name": preset.name, "description": preset.description, "owner": preset.owner, "prompts": preset.prompts}
    values = _plain(Submission.model_construct(**preset.values).model_dump(mode="json", include=set(preset.values)))
    _write(path, {**{key: value for key, value in head.items() if value}, "values": values})
    return path


def remove_preset(path: Path) -> None:
    """Remove a preset's file; StorageError when that can't be done."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"can't remove {path}: {error.strerror}.") from None


def write_default(path: Path, model: str, preset: str | None) -> None:
    """Have a model start with a preset, or with *Default* again.

    Raises:
        PluginError: what is there can't be read.
        StorageError: it can't be written.
    """
    others = {name: value for name, value in read_defaults(path).items() if name != model}
    _write(path, others | ({model: preset} if preset else {}))


def _write(path: Path, tables: Mapping[str, Any]) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(tomli_w.dumps(tables, multiline_strings=True).encode())


def _free(folder: Path, name: str) -> Path:
    """A file that is not there yet: other names may have the same safe form."""
    paths = (folder / f"{name}{number or ''}.toml" for number in range(10_000))
    return next(path for path in paths if not path.exists())


def _plain(value: Any) -> Any:
    """Without what TOML has no word for: a field that is None is as if it was not named."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    return [_plain(each) for each in value] if isinstance(value, list) else value
