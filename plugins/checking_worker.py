"""The child of ``plugins.checking``: says line by line, as JSON, what it is at and what it found.

On standard input: a ``Source`` as JSON. Whatever the plug-in prints goes to standard error.
"""

import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from farm.processes import die_with_parent

from .exporters.base import Exporter
from .hookspecs import API_VERSION
from .loading import Loaded, faults, load, reason, where
from .places import place_of
from .sources import Source
from .testing import ExporterContract
from .testing.exporters import INFO


def main() -> None:
    die_with_parent()
    source = Source(**json.load(sys.stdin.buffer))
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        _Check(source, lambda **said: print(json.dumps(said), file=answer, flush=True)).run()
        os._exit(0)  # threads and exit handlers of the plug-in are nobody's concern


class _Check:
    """``say`` sends one message."""

    def __init__(self, source: Source, say: Callable[..., None]) -> None:
        self._source, self._say = source, say

    def run(self) -> None:
        """All of it; each step's trouble is told, and ends no other that can go on without it."""
        module = self._try(self._source.module)
        if module is not None:
            self._look_at(module)
        self._say(end=True)

    def _look_at(self, module: ModuleType) -> None:
        found = list(faults(module))
        for fault in found:
            self._say(problem={"message": str(fault), "where": fault.where})
        if not hasattr(module, "FARM_PLUGIN_API"):
            self._say(note=f"it states no API; write FARM_PLUGIN_API = {API_VERSION}, so that later farms can tell")
        self._say(at="what it offers")
        loaded = None if found else self._try(lambda: load(module, self._source.name))
        if loaded is not None:
            self._offers(loaded)

    def _offers(self, loaded: Loaded) -> None:
        if not any(vars(loaded).values()):
            self._say(problem={"message": "it offers nothing: mark a function with @hookimpl", "where": ""})
        for exporter in loaded.exporters.values():
            self._contract(f"exporter {exporter.name}", exporter, ExporterContract)
        for kind, names in (
            ("post-processor", loaded.post_processors),
            ("model family", loaded.families),
            ("order", loaded.orders),
            ("sender", loaded.senders),
            ("step cache", loaded.caches),
        ):
            for name in names:
                self._say(done=f"{kind} {name}")
        for preset in loaded.presets:
            self._say(done=f"preset {preset.name}")

    def _contract(self, what: str, exporter: Exporter, contract: type[ExporterContract]) -> None:
        """Every test of the contract, as pytest would run them."""
        failed, tests = 0, [name for name, _ in inspect.getmembers(contract, inspect.isfunction)]
        tests = [name for name in tests if name.startswith("test_")]
        for name in tests:
            self._say(at=f"{what}, {name.removeprefix('test_').replace('_', ' ')}")
            case = contract()
            case.exporter = exporter
            with tempfile.TemporaryDirectory() as folder:
                test = getattr(case, name)
                place = [Path(folder)] if "tmp_path" in inspect.signature(test).parameters else []
                failed += not self._test(what, exporter, partial(test, *place))
        if not failed:
            video = f"{INFO.frames} frames of {INFO.width}x{INFO.height} pixels"
            self._say(done=f"{what} passed {len(tests)} tests with {video}")

    def _test(self, what: str, about: Any, test: Callable[[], None]) -> bool:
        try:
            test()
        except AssertionError as error:
            self._say(problem={"message": f"{what}: {error}", "where": place_of(about)})
        except BaseException as error:  # noqa: BLE001 - someone else's code, in a process made for it
            at = where(error, self._source.root) or place_of(about)
            self._say(problem={"message": f"{what}: {reason(error)}", "where": at})
        else:
            return True
        return False

    def _try(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except BaseException as error:  # noqa: BLE001 - someone else's code, in a process made for it
            self._say(problem={"message": reason(error), "where": where(error, self._source.root)})
            return None


if __name__ == "__main__":
    main()
