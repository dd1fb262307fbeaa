"""Locks on open files, which the system frees when their process ends, however it ends. Where there are none (Windows)
nothing is locked."""

from typing import IO

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


def lock(file: IO[bytes], *, shared: bool = False) -> None:
    """Lock, waiting for others to let go, in place of the lock that it had. ``shared``: any number may have it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_lock(file: IO[bytes]) -> bool:
    """Lock for this file alone, unless another has it; whether it is locked now."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
