"""Has a plug-in do one thing in a process of its own, such as give the links of an order: no code of it runs here."""

import json
import os
import sys
import tempfile
from contextlib import suppress
from typing import Any

from farm.errors import PluginError
from farm.processes import Child, ending, module_command

from .sources import Source

SECONDS = 20.0
"""Longest time that an answer may take, importing included."""
_WORKER = "plugins.asking_worker"


def ask(source: Source, what: str, seconds: float = SECONDS, **given: Any) -> Any:
    """What a plug-in answers.

    Args:
        source: the plug-in.
        what: a name of ``plugins.asking_worker.DOES``.
        seconds: time limit.
        given: what that takes; it travels as JSON.

    Raises:
        PluginError: it raised something, ended the process, or took too long.
    """
    paths = os.pathsep.join(filter(None, sys.path))
    with tempfile.TemporaryFile() as noise:
        with Child(module_command(_WORKER), seconds, environment={"PYTHONPATH": paths}, stderr=noise) as child:
            answer = b""
            with child.limited(), suppress(BrokenPipeError):
                child.stdin.write(json.dumps({"source": vars(source), "what": what, "given": given}).encode())
                child.stdin.close()
                answer = child.stdout.readline()
            child.end()
        if child.expired:
            raise PluginError(f"plug-in {source.name} took longer than {seconds:g} s.")
        if not answer:
            noise.seek(0)
            last = noise.read()[-2000:].decode(errors="replace").strip().splitlines()[-1:]
            said = f"; its last words: {last[0].strip()}" if last else ""
            raise PluginError(f"plug-in {source.name} ended its process ({ending(child.process.returncode)}){said}.")
    found = json.loads(answer)
    if "problem" in found:
        raise PluginError(f"plug-in {source.name}: {found['problem']}", found["where"])
    return found["answer"]
