"""The process of one export, started by ``plugins.exporters.process``.

On standard input: a pickled (settings, exporter's name, path, ExportInfo), then raw frames to its end. The answer, one
JSON object, goes to what standard output was at the start; whatever the exporter prints goes to standard error.
"""

import json
import os
import pickle
import sys
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from plugins.exporters.base import ExportInfo, Frame
from plugins.manager import get_manager


def main() -> None:
    source = sys.stdin.buffer
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        json.dump(_export(source), answer)


def _export(source: IO[bytes]) -> dict[str, Any]:
    try:
        settings, name, path, info = pickle.load(source)
        get_manager(settings).exporter(name).export(_frames(source, info), path, info)
        while source.read(1 << 20):  # frames that it did not want
            pass
    except Exception as error:  # noqa: BLE001 - the boundary of a process: the parent judges it
        message = " ".join(str(error).split()) or repr(error)
        return {"error": type(error).__name__, "message": message, "errno": getattr(error, "errno", None)}
    return {}


def _frames(source: IO[bytes], info: ExportInfo) -> Iterator[Frame]:
    size = info.height * info.width * 3
    while data := source.read(size):
        yield np.frombuffer(data, np.uint8).reshape(info.height, info.width, 3)


if __name__ == "__main__":
    main()
