"""The child of ``plugins.probe``: imports one plug-in and says what it offers.

On standard input: a ``Source`` as JSON. The answer, a ``Verdict`` as one line of JSON, goes to what standard output was
at the start; whatever the plug-in prints goes to standard error.
"""

import json
import os
import sys

from farm.processes import die_with_parent

from .loading import Verdict, load, reason, where
from .sources import Source


def main() -> None:
    die_with_parent()
    source = Source(**json.load(sys.stdin.buffer))
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        answer.write(_verdict(source).model_dump_json().encode() + b"\n")
        answer.flush()
        os._exit(0)  # threads and exit handlers of the plug-in are nobody's concern


def _verdict(source: Source) -> Verdict:
    try:
        return load(source.module(), source.name).verdict()
    except BaseException as error:  # noqa: BLE001 - someone else's code, in a process made for it
        return Verdict(reason=reason(error), where=where(error, source.root))


if __name__ == "__main__":
    main()
