"""A small, working, tested package to begin a plug-in with: `farm plugins new`."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from farm.errors import InputError, StorageError

from .hookspecs import API_VERSION

KINDS = ("exporter", "preset")
"""Folders in ``templates``."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 35


def write_plugin(name: str, kind: str, into: Path) -> list[Path]:
    """Write the project ``farm-NAME`` into a folder; gives its files.

    Raises:
        InputError: the name is unusable, or there is such a folder.
        StorageError: it can't be written.
    """
    name = name.strip().removeprefix("farm-")
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        raise InputError(f"{name!r} is no name for a plug-in: expected a-z, 0-9 and single hyphens, such as my-format.")
    words = name.replace("-", " ").title()
    said = {
        "api": str(API_VERSION),
        "name": name,
        "module": f"farm_{name.replace('-', '_')}",
        "project": f"farm-{name}",
        "class": f"{words.replace(' ', '')}Exporter",
        "words": words,
        "title": f"{words} {kind}",
    }
    folder = into / said["project"]
    templates = files(__package__) / "templates"
    texts = {
        "pyproject.toml": templates / "pyproject.txt",
        f"{said['module']}.py": templates / kind / "module.txt",
        f"test_{said['module']}.py": templates / kind / "test.txt",
    }
    try:
        folder.mkdir()
        for file, template in texts.items():
            text = Template(template.read_text(encoding="utf-8")).substitute(said)
            (folder / file).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise InputError(f"{folder} exists already; choose another name, or another folder with --into.") from None
    except OSError as error:
        raise StorageError(f"can't write {folder}: {error.strerror or error}.") from None
    return [folder / file for file in texts]
