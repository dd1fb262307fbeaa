"""What goes wrong, on purpose and reproducibly."""

import random
from collections.abc import Callable
from dataclasses import replace

from farm.errors import unknown_name
from farm.scheduling.view import SeatState

from .farm import Farm

HOUR = 3600.0
REPAIR_SECONDS = 600.0
BLACKOUT_AT, BLACKOUT_SECONDS = 600.0, 120.0
DRAIN_AT = 300.0
LIARS, LIE = 0.1, 3.0

Fault = Callable[[Farm, random.Random], None]


def _nodes(farm: Farm) -> list[str]:
    return sorted({seat.node for seat in farm.view.seats.values()})


def lose_node(farm: Farm, node: str, seconds: float) -> None:
    """All seats of a node are gone, and come back empty after that time."""
    names = sorted(seat.id for seat in farm.view.seats.values() if seat.node == node)
    seats = [farm.lose(name) for name in names]

    def back() -> None:
        for seat in seats:
            farm.view.put_seat(seat)

    farm.clock.after(seconds, back)


def node_an_hour(farm: Farm, rng: random.Random) -> None:
    """Each hour, from half past on, a node dies for ten minutes."""

    def die() -> None:
        nodes = _nodes(farm)
        if nodes:
            lose_node(farm, rng.choice(nodes), REPAIR_SECONDS)
        if not farm.over:
            farm.clock.after(HOUR, die)

    farm.clock.at(HOUR / 2, die)


def blackout(farm: Farm, rng: random.Random) -> None:
    """After ten minutes all nodes vanish for two."""

    def vanish() -> None:
        for node in _nodes(farm):
            lose_node(farm, node, BLACKOUT_SECONDS)

    farm.clock.at(BLACKOUT_AT, vanish)


def sick(farm: Farm, rng: random.Random) -> None:
    """One seat fails all that it gets within a second."""
    farm.sick.add(rng.choice(sorted(farm.view.seats)))


def liars(farm: Farm, rng: random.Random) -> None:
    """A tenth of the seats take three times as long as they should."""
    names = sorted(farm.view.seats)
    farm.slowness.update((name, LIE) for name in rng.sample(names, round(len(names) * LIARS)))


def drain(farm: Farm, rng: random.Random) -> None:
    """After five minutes a node is drained for good, unless it is the only one."""

    def begin() -> None:
        nodes = _nodes(farm)
        node = rng.choice(nodes) if len(nodes) > 1 else ""
        for seat in list(farm.view.seats.values()):
            if seat.node == node:
                farm.view.put_seat(replace(seat, state=SeatState.DRAINING))

    farm.clock.at(DRAIN_AT, begin)


FAULTS: dict[str, Fault] = {
    "node-hourly": node_an_hour,
    "blackout": blackout,
    "sick": sick,
    "liars": liars,
    "drain": drain,
}


def find_faults(names: str) -> list[Fault]:
    """By their names, with commas between.

    Raises:
        InputError: there is none of such a name.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in FAULTS:
            raise unknown_name("fault", name, list(FAULTS))
    return [FAULTS[name] for name in wanted]
