"""Seats as rows hold them, so that whoever reads the rows sees the farm as the coordinator did."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from farm.jobs.records import TaskKind
from farm.scheduling.records import Hold, SeatState, SeatView

Clock = Callable[[float], float]
"""From one clock to another."""


@dataclass(frozen=True)
class SeatRow:
    """``until`` on the reader's clock and ``trouble``: when and why it is asked again."""

    seat: SeatView
    until: float = 0.0
    trouble: str = ""


def seat_to_row(seat: SeatView, to_wall: Clock, until: float = 0.0) -> dict[str, Any]:
    """Ready for JSON, times since 1970."""

    def hold(held: Hold | None) -> dict[str, Any] | None:
        return {"task": held.task_id, "job": held.job_id, "ends": to_wall(held.ends)} if held else None

    return {
        "place": seat.id,
        "node": seat.node,
        "device_class": seat.device_class,
        "speed": seat.speed,
        "pace": seat.pace,
        "memory": None if math.isinf(seat.memory) else seat.memory,
        "features": sorted(seat.features),
        "on_cpu": seat.on_cpu,
        "takes": sorted(seat.takes),
        "spares": sorted(seat.spares),
        "models": sorted(seat.models),
        "state": seat.state.value,
        "running": hold(seat.running),
        "ahead": hold(seat.ahead),
        "until": to_wall(until) if until else 0.0,
    }


def seat_of_row(row: Mapping[str, Any], message: str, from_wall: Clock) -> SeatRow:
    """The other way round.

    Raises:
        KeyError, TypeError, ValueError: it is none, or another version wrote it.
    """

    def hold(held: Mapping[str, Any] | None) -> Hold | None:
        return Hold(held["task"], held["job"], from_wall(held["ends"])) if held else None

    seat = SeatView(
        row["place"],
        row["node"],
        row["device_class"],
        row["speed"],
        math.inf if row["memory"] is None else row["memory"],
        frozenset(row["features"]),
        row["on_cpu"],
        takes=frozenset(map(TaskKind, row["takes"])),
        spares=frozenset(map(TaskKind, row["spares"])),
        models=frozenset(row["models"]),
        state=SeatState(row["state"]),
        running=hold(row["running"]),
        ahead=hold(row["ahead"]),
        pace=row.get("pace", 1.0),
    )
    return SeatRow(seat, from_wall(row["until"]) if row["until"] else 0.0, message)
