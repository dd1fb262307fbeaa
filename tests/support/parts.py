"""Parts of ``farm bench gpu`` that go wrong. Imports little: each is run in a process of its own."""

import os
import time
from collections.abc import Callable
from typing import Any, NoReturn

Emit = Callable[[dict[str, Any]], None]


def slow(setup: object, emit: Emit) -> None:
    emit({"name": "before"})
    time.sleep(600)


def broken(setup: object, emit: Emit) -> None:
    emit({"name": "before"})
    raise RuntimeError("no such kernel\nand more")


def dying(setup: object, emit: Emit) -> NoReturn:
    emit({"name": "before"})
    os._exit(9)
