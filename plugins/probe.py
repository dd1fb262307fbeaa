"""Asks a plug-in what it offers in a process of its own: one that loops, exits or crashes harms nothing else.

Answers are remembered by the identity of the plug-in's files, so that only what is new or changed is run.
"""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from farm.errors import StorageError
from farm.files import written_aside
from farm.processes import Child, ending, module_command

from .hookspecs import API_VERSION
from .loading import Verdict
from .sources import Source

SECONDS = 20.0
"""A plug-in that has not answered by then is disabled. Importing torch on a cold disk takes up to ten."""
PATIENCE = 3.0
"""After so many seconds people are told who is waited for."""
AT_ONCE = 4
_WORKER = "plugins.probe_worker"

log = logging.getLogger(__name__)


_Remembered = TypeAdapter(dict[str, Verdict])


def probe_all(
    sources: Sequence[Source], memory: Path | None = None, *, again: bool = False, seconds: float = SECONDS
) -> list[Verdict]:
    """The verdict on each of ``sources``.

    Args:
        sources: what to ask.
        memory: file in which verdicts are remembered; None remembers nothing.
        again: ask those anew that were disabled: what they lacked may be there now.
        seconds: time limit of each.
    """
    known = _recall(memory)
    keys = [_key(source) for source in sources]
    asked = [
        (key, source)
        for key, source in zip(keys, sources, strict=True)
        if key not in known or (again and known[key].reason)
    ]
    if asked:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="plug-in probe") as pool:
            answers = {key: pool.submit(probe, source, seconds) for key, source in asked}
            wait(answers.values(), timeout=PATIENCE)
            for key, source in asked:
                if not answers[key].done():
                    log.warning("waiting up to %g s for plug-in %s to be imported", seconds, source.name)
        known |= {key: answer.result() for key, answer in answers.items()}
        _remember(memory, {key: known[key] for key in keys})
    return [known[key] for key in keys]


def probe(source: Source, seconds: float = SECONDS) -> Verdict:
    """Import ``source`` in a child and take down what it offers."""
    with tempfile.TemporaryFile() as noise:
        paths = os.pathsep.join(filter(None, sys.path))
        with Child(module_command(_WORKER), seconds, environment={"PYTHONPATH": paths}, stderr=noise) as child:
            answer = b""
            with child.limited(), suppress(BrokenPipeError):
                child.stdin.write(json.dumps(vars(source)).encode())
                child.stdin.close()
                answer = child.stdout.readline()
            child.end()
        if child.expired:
            return Verdict(reason=f"importing it took longer than {seconds:g} s.")
        try:
            return Verdict.model_validate_json(answer)
        except ValidationError:
            noise.seek(0)
            lines = noise.read()[-2000:].decode(errors="replace").strip().splitlines()
            last = f"; its last words: {lines[-1].strip()}" if lines else ""
            return Verdict(reason=f"importing it ended the process ({ending(child.process.returncode)}){last}.")


def _key(source: Source) -> str:
    facts = (source.identity(), API_VERSION, version("framepack-farm"), sys.executable, sys.version)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _recall(memory: Path | None) -> dict[str, Verdict]:
    if memory is None:
        return {}
    try:
        return _Remembered.validate_json(memory.read_bytes())
    except (OSError, ValidationError):
        return {}


def _remember(memory: Path | None, verdicts: dict[str, Verdict]) -> None:
    if memory is None:
        return
    with suppress(StorageError), written_aside(memory) as aside:  # a full disk: the next process asks again
        aside.write_bytes(_Remembered.dump_json(verdicts))
