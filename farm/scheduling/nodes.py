"""What a node's settings mean for each of its seats at a moment: whether it is there, and whether it takes work."""

from dataclasses import dataclass

from farm.jobs.nodes import NodeSettings
from farm.units import counted


@dataclass(frozen=True, slots=True)
class Standing:
    """``there``: the seat should have a replica; ``takes``: that replica gets work; ``now``: it hands back what it is
    at; ``why`` not. A replica that should not be there finishes what it is at, and ends."""

    there: bool = True
    takes: bool = True
    now: bool = False
    why: str = ""


FINE = Standing()


def standing(settings: NodeSettings, seat: str, rank: int | None, minute: int) -> Standing:
    """How a seat stands.

    Args:
        settings: of its node.
        seat: its name there, such as ``cuda-0``.
        rank: which of the node's seats with a model it is, from 0; None for one without, which is there for the others.
        minute: of the day, by the head's clock.
    """
    drain = settings.drain_of(seat)
    now = drain is not None and drain.now
    if settings.hours is not None and not settings.hours.hold(minute):
        return Standing(False, False, now, f"outside its hours {settings.hours}")
    most = settings.max_replicas
    if most is not None and (rank or 0) >= most:
        return Standing(False, False, now, f"its node may have {counted(most, 'replica')}")
    return Standing(True, False, now, drain.why) if drain else FINE
