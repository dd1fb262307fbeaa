"""A command on the head, with the notice in its environment. No shell."""

import os
import subprocess

from farm.errors import UndeliveredError

from ..notice import Notice
from ..rules import Rule

SECONDS = 60.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
"""Of the farm's own environment, which holds secrets."""


def send(rule: Rule, notice: Notice) -> None:
    """Run it; ``NOTICE_EVENT``, ``NOTICE_MESSAGE``, ``NOTICE_TITLE``, ``NOTICE_JOB``, ``NOTICE_NAME``, ``NOTICE_OWNER``
    and ``NOTICE_STATE`` say what happened."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    told = {f"NOTICE_{name.upper()}": value for name, value in notice.to_json().items() if name not in ("key", "at")}
    environment = {**kept, **told, "NOTICE_TITLE": notice.title}
    try:
        done = subprocess.run(
            rule.command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UndeliveredError(f"{rule.command[0]} took longer than {SECONDS:.0f} s and was ended") from None
    except OSError as error:
        raise UndeliveredError(f"{rule.command[0]} can't be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-1:]
        raise UndeliveredError(f"{rule.command[0]} ended with {done.returncode}{': ' + said[0][:200] if said else ''}")
