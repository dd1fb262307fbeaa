"""The process of one export, started by ``plugins.exporters.process``; the only one that runs a plug-in's exporter or
post-processor.

On standard input: a pickled (OfferedExporter, path, ExportInfo, steps), then raw frames to its end. The answer, one
line of JSON, goes to what standard output was at the start; whatever the exporter prints goes to standard error, and so
does the traceback of what it raises.
"""

import json
import os
import pickle
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import IO, Any

import numpy as np

from farm.errors import SCARCE, FarmError, PluginError
from farm.processes import die_with_parent

from .. import builtin
from ..loading import Loaded, load, where
from ..manager import BUILT_IN, Offered
from ..post.chain import processed, shape_of
from .base import Exporter, ExportInfo, Frame, chosen
from .written import look_at


def main() -> None:
    die_with_parent()
    source = sys.stdin.buffer
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        answer.write(json.dumps(_export(source)) + "\n")


def _export(source: IO[bytes]) -> dict[str, Any]:
    try:
        offered, path, info, steps = pickle.load(source)
        exporter: Exporter = _loaded(offered).exporters[offered.name]
        chain = [(_loaded(each).post_processors[each.name], dict(options)) for each, options in steps]
    except BaseException as error:  # noqa: BLE001 - the boundary of a process: the parent judges it
        return _said(error, None)
    try:
        frames, info = processed(_frames(source, info), info, chain)
        model = getattr(exporter, "options", None)
        info = replace(info, options=chosen(model, info) if model else None)
        exporter.export(frames, path, info)
        while source.read(1 << 20):  # frames that it did not want
            pass
        written = look_at(offered.name, path, offered.media_type, info)
    except BaseException as error:  # noqa: BLE001 - the boundary of a process: the parent judges it
        return _said(error, offered)
    return {"written": written, "shape": asdict(shape_of(info))}


def _said(error: BaseException, at_work: Offered | None) -> dict[str, Any]:
    """An error for the parent. ``at_work``: whose work it ended; then ``hopeless`` says that it would do so again."""
    traceback.print_exc()
    return {
        "error": type(error).__name__,
        "message": " ".join(str(error).split()) or repr(error),
        "errno": getattr(error, "errno", None),
        "where": where(error, at_work.source.root) if at_work and at_work.source != BUILT_IN else "",
        "hopeless": at_work is not None and _is_hopeless(error),
    }


def _is_hopeless(error: BaseException) -> bool:
    """Whether it is the code's own fault, and none of the machine's: memory, disk, network, what is installed there."""
    if isinstance(error, FarmError):
        return isinstance(error, PluginError) or type(error) is FarmError
    if isinstance(error, OSError):
        return error.errno not in SCARCE and not isinstance(error, ConnectionError | TimeoutError)
    return not isinstance(error, MemoryError | ImportError)


def _loaded(offered: Offered) -> Loaded:
    module = builtin if offered.source == BUILT_IN else offered.source.module()
    return load(module, offered.source.name)


def _frames(source: IO[bytes], info: ExportInfo) -> Iterator[Frame]:
    size = info.height * info.width * 3
    while data := source.read(size):
        yield np.frombuffer(data, np.uint8).reshape(info.height, info.width, 3)


if __name__ == "__main__":
    main()
