"""The child of ``plugins.asking``: imports one plug-in, has it do one thing, and says what came of it.

On standard input: the ``Source``, what to do and what with, as JSON. The answer, one line of JSON, goes to what
standard output was at the start; whatever the plug-in prints goes to standard error.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from farm.processes import die_with_parent

from .loading import Loaded, load, reason, where
from .sources import Source


def main() -> None:
    die_with_parent()
    asked = json.load(sys.stdin.buffer)
    source = Source(**asked["source"])
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        try:
            said = {"answer": DOES[asked["what"]](load(source.module(), source.name), **asked["given"])}
        except BaseException as error:  # noqa: BLE001 - someone else's code, in a process made for it
            said = {"problem": reason(error), "where": where(error, source.root)}
        print(json.dumps(said), file=answer, flush=True)
        os._exit(0)  # threads and exit handlers of the plug-in are nobody's concern


def _offers(loaded: Loaded) -> str:
    return loaded.verdict().model_dump_json()


def _links(loaded: Loaded, order: str, count: int) -> list[Any]:
    return [(link.index, link.past, link.future) for link in loaded.orders[order].links(count)]


def _send(loaded: Loaded, sender: str, notice: dict[str, str], options: dict[str, Any]) -> None:
    found = loaded.senders[sender]
    model = getattr(found, "options", None)
    found.send(notice, model(**options) if model else None)


DOES: dict[str, Callable[..., Any]] = {"offers": _offers, "links": _links, "send": _send}


if __name__ == "__main__":
    main()
