"""The process boundary of the command line: every failure becomes one line on stderr and an exit code."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from farm.errors import FarmError


def run(command: Callable[[Sequence[str]], object], args: Sequence[str]) -> int:
    """Call ``command(args)`` and return the exit code: 0, 2 for wrong usage or input, 130 for Ctrl-C, 1 for the rest.

    ``--debug`` anywhere among ``args`` (it is taken out), or ``FARM_DEBUG=1``, adds the traceback.
    """
    from typer.exceptions import Abort, TyperException

    debug = os.environ.get("FARM_DEBUG", "") not in ("", "0")
    stop = args.index("--") if "--" in args else len(args)
    if "--debug" in args[:stop]:
        debug = True
        args = [a for a in args[:stop] if a != "--debug"] + list(args[stop:])
    try:
        code = command(args)
        if code == 130:  # how typer returns from Ctrl-C
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except FarmError as error:
        return report(str(error), error.exit_code, debug)
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # making it has printed the help
            return 0
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "farm"
        return report(f"{error.format_message()} See `{where} --help`.", error.exit_code, debug)
    except (KeyboardInterrupt, Abort):
        sys.stderr.write("interrupted\n")  # which was wanted, and is no error
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the process boundary
        hint = "" if debug else " (this is a bug in the farm; --debug shows where)"
        return report(f"{type(error).__name__}: {error}{hint}", 1, debug)


def report(message: str, code: int, debug: bool) -> int:
    """Print ``error: message`` on stderr, in red on a terminal, as one line whatever its length; return ``code``."""
    if debug and sys.exc_info()[0] is not None:
        traceback.print_exc()
    line = f"error: {' '.join(message.split())}"
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        line = f"\033[31m{line}\033[0m"
    sys.stderr.write(line + "\n")
    return code
