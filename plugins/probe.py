"""Asks a plug-in what it offers in a process of its own: one that loops, exits or crashes harms nothing else.

Answers are remembered by the identity of the plug-in's files, so that only what is new or changed is run.
"""

import hashlib
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from farm.errors import PluginError, StorageError
from farm.files import written_aside

from .asking import ask
from .hookspecs import API_VERSION
from .loading import Verdict
from .sources import Source

SECONDS = 20.0
"""A plug-in that has not answered by then is disabled. Importing torch on a cold disk takes up to ten."""
PATIENCE = 3.0
"""After so many seconds people are told who is waited for."""
AT_ONCE = 4

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
    try:
        return Verdict.model_validate_json(ask(source, "offers", seconds, "importing it"))
    except PluginError as error:
        return Verdict(reason=str(error), where=error.where)


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
