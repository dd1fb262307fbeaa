"""Has a plug-in do one thing in a process of its own, such as give the links of an order: no code of it runs here."""

import json
import os
import sys
import tempfile
from contextlib import suppress
from typing import Any

from farm.errors import PluginError
from farm.processes import Child, ending, last_words, module_command

from .sources import Source

SECONDS = 20.0
"""Longest time that an answer may take, importing included."""
_WORKER = "plugins.asking_worker"


def ask(source: Source, what: str, seconds: float = SECONDS, doing: str = "it", **given: Any) -> Any:
    """What a plug-in answers.

    Args:
        source: the plug-in.
        what: a name of ``plugins.asking_worker.DOES``.
        seconds: time limit.
        doing: what takes too long or ends the process, for people.
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
            raise PluginError(f"{doing} took longer than {seconds:g} s.")
        if not answer.endswith(b"\n"):
            last = last_words(noise)
            said = f"; its last words: {last}" if last else ""
            raise PluginError(f"{doing} ended the process ({ending(child.process.returncode)}){said}.")
    found = json.loads(answer)
    if "problem" in found:
        raise PluginError(found["problem"], found["where"])
    return found["answer"]
