"""Where in a plug-in's code something is: ``farm_mine.py:12``."""

import inspect
import traceback
from pathlib import Path
from typing import Any


def place_of(thing: Any) -> str:
    """File and line of a function, of a class, or of the class of an object; empty when there is no source."""
    thing = inspect.unwrap(thing) if callable(thing) else thing
    for about in (thing, type(thing)):
        try:
            return _said(str(inspect.getsourcefile(about)), inspect.getsourcelines(about)[1])
        except (TypeError, OSError):
            continue
    return ""


def place_of_error(error: BaseException, inside: Path) -> str:
    """Where an error was raised, or what the innermost line of the code ``inside`` was that led to it; empty when none
    did."""
    if isinstance(error, SyntaxError) and error.filename and _is_inside(error.filename, inside):
        return _said(error.filename, error.lineno or 0)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_inside(frame.filename, inside)]
    return _said(frames[-1].filename, frames[-1].lineno or 0) if frames else ""


def _is_inside(file: str, folder: Path) -> bool:
    path = Path(file)
    return path == folder or folder in path.parents


def _said(file: str, line: int) -> str:
    return f"{Path(file).name}:{line}"
