"""What ``decide`` answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """Give this task to this seat. ``seconds``: what it should take there, loading and moving counted.

    ``ahead``: the seat is at work; the task is what it does next.
    """

    task_id: str
    seat_id: str
    seconds: float
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take back the task that this seat holds for later: something more urgent goes first, or another is faster."""

    task_id: str
    seat_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do: the task is left ready, since this seat, which is at work, will have done it before any free one.

    ``until``: when the seat should be free.
    """

    task_id: str
    seat_id: str
    until: float


@dataclass(frozen=True, slots=True)
class Decisions:
    starts: tuple[Start, ...] = ()
    withdrawals: tuple[Withdraw, ...] = ()
    waits: tuple[Wait, ...] = ()
