"""The process of one export, started by ``plugins.exporters.process``; the only one that runs a plug-in's exporter.

On standard input: a pickled (OfferedExporter, path, ExportInfo), then raw frames to its end. The answer, one line of
JSON, goes to what standard output was at the start; whatever the exporter prints goes to standard error.
"""

import json
import os
import pickle
import sys
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from farm.processes import die_with_parent

from .. import builtin
from ..loading import load
from ..manager import BUILT_IN, OfferedExporter
from .base import Exporter, ExportInfo, Frame


def main() -> None:
    die_with_parent()
    source = sys.stdin.buffer
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        answer.write(json.dumps(_export(source)) + "\n")


def _export(source: IO[bytes]) -> dict[str, Any]:
    try:
        offered, path, info = pickle.load(source)
        _exporter(offered).export(_frames(source, info), path, info)
        while source.read(1 << 20):  # frames that it did not want
            pass
    except BaseException as error:  # noqa: BLE001 - the boundary of a process: the parent judges it
        message = " ".join(str(error).split()) or repr(error)
        return {"error": type(error).__name__, "message": message, "errno": getattr(error, "errno", None)}
    return {}


def _exporter(offered: OfferedExporter) -> Exporter:
    module = builtin if offered.source == BUILT_IN else offered.source.module()
    return load(module, offered.source.name).exporters[offered.name]


def _frames(source: IO[bytes], info: ExportInfo) -> Iterator[Frame]:
    size = info.height * info.width * 3
    while data := source.read(size):
        yield np.frombuffer(data, np.uint8).reshape(info.height, info.width, 3)


if __name__ == "__main__":
    main()
