"""``python -m farm.joining.health``: exit code 0 while this machine's agent lives and is in the farm."""

import sys

from farm.settings import Settings

from .agent import JOINED, LEAVING
from .service import running


def main() -> int:
    """Leaving in order is well too: what it is at is to be finished."""
    state = running(Settings.from_environment())
    return 0 if state is not None and state.state in (JOINED, LEAVING) else 1


if __name__ == "__main__":
    sys.exit(main())
