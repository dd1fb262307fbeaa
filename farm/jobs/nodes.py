"""What people want of nodes: which work, when, with how many replicas, under which labels. One place for the ranges."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .assets import NO_REPORT, NodeReport
from .fields import ONE_LINE
from .labels import Labels

MOST_REPLICAS = 1024
DAY = 24 * 60
EXAMPLE_HOURS = "22-07"
COMING = "(coming)"
"""Host of the row of machines that were asked for; no host is called so."""
ITSELF = "its machine"
"""Who drains a node that leaves."""
ANY = "any"
EXPECTED = f"should be hours of the day such as {EXAMPLE_HOURS} or 22:30-07:15, or {ANY}"


class Wanted(StrEnum):
    ACTIVE = "active"
    DRAINED = "drained"


class NodeState(StrEnum):
    UP = "up"
    GONE = "gone"
    COMING = "coming"
    """Machines that were asked for; one row stands for all of them."""


@dataclass(frozen=True)
class Hours:
    """When a node works, in minutes of the head's local day; the end is not among them. Past midnight is fine."""

    start: int
    stop: int

    @classmethod
    def parse(cls, text: str) -> "Hours | None":
        """From ``22-07`` or ``22:30-7:15``; None for ``any`` or an empty text.

        Raises:
            ValueError: it is neither.
        """
        word = text.strip().lower()
        if word in ("", ANY):
            return None
        found = re.fullmatch(r"(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?", word)
        start, stop = (_minute(found[1], found[2]), _minute(found[3], found[4])) if found else (0, 0)
        if start == stop or start >= DAY:
            raise ValueError(EXPECTED)
        return cls(start, stop) if (start, stop) != (0, DAY) else None

    def __str__(self) -> str:
        return "-".join(f"{at // 60:02}" + (f":{at % 60:02}" if at % 60 else "") for at in (self.start, self.stop))

    def hold(self, minute: int) -> bool:
        """Whether the minute of the day is among them."""
        if self.start < self.stop:
            return self.start <= minute < self.stop
        return minute >= self.start or minute < self.stop


def _minute(hour: str, minute: str | None) -> int:
    of_hour = int(minute or 0)
    at = int(hour) * 60 + of_hour
    if of_hour > 59 or at > DAY:
        raise ValueError(EXPECTED)
    return at


def _tidy_hours(text: str) -> str:
    hours = Hours.parse(text)
    return str(hours) if hours else ""


@dataclass(frozen=True)
class Drain:
    """That a node or seat is to take nothing more. ``now``: it also hands back what it is at."""

    by: str = ""
    reason: str = ""
    now: bool = False
    at: datetime | None = None

    @property
    def why(self) -> str:
        """Such as ``drained by ann: new driver``."""
        who = f"drained by {self.by}" if self.by else "drained"
        return f"{who}: {self.reason}" if self.reason else who

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "at": self.at.isoformat() if self.at else None}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Drain":
        at = values.get("at")
        return cls(values["by"], values["reason"], values["now"], datetime.fromisoformat(at) if at else None)


@dataclass(frozen=True)
class NodeSettings:
    """What people want of a node. They belong to its ``host`` name, so they stay while it leaves and comes back.

    ``drain``: of the whole node, None while it is active; ``seats``: drains of single seats by their names, such as
    ``cuda-0``; ``hours``: None for always; ``max_replicas``: with a model; None for as many as it has room for.
    """

    host: str
    drain: Drain | None = None
    seats: Mapping[str, Drain] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    hours: Hours | None = None
    max_replicas: int | None = None

    @property
    def wanted(self) -> Wanted:
        return Wanted.DRAINED if self.drain else Wanted.ACTIVE

    @property
    def only_left(self) -> bool:
        """Whether nobody has set anything: at most it was drained by its machine, which left."""
        left = self.drain is None or self.drain.by == ITSELF
        return left and self == NodeSettings(self.host, self.drain)

    def drain_of(self, seat: str) -> Drain | None:
        """What holds for one of its seats."""
        return self.drain or self.seats.get(seat)


@dataclass(frozen=True)
class NodeFacts:
    """What a node is, as its present incarnation says. ``id``: Ray's; ``memory`` in bytes; ``devices``: labels of its
    GPUs; ``message``: why it does nothing, if it does not; ``report``: what its own disk and memory hold. Where it is
    coming, ``address`` is what was asked for."""

    host: str
    id: str = ""
    address: str = ""
    state: NodeState = NodeState.UP
    message: str = ""
    cores: int = 0
    memory: int = 0
    devices: tuple[str, ...] = ()
    report: NodeReport = NO_REPORT


@dataclass(frozen=True)
class Node:
    """A node as its row has it."""

    settings: NodeSettings
    facts: NodeFacts
    seen_at: datetime | None = None

    @property
    def host(self) -> str:
        return self.settings.host


class NodeChange(BaseModel):
    """Settings to change; those that are left out stay.

    ``labels``: all that the node has from now on; jobs may ask for them. ``hours``: when it works, by the head's
    clock, such as `22-07`; `any` for always. ``max_replicas``: most replicas with a model, 0 for none, null for as many
    as it has room for.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"labels": ["studio"], "hours": EXAMPLE_HOURS}]}
    )

    labels: Labels | None = None
    hours: Annotated[str, Field(max_length=20), AfterValidator(_tidy_hours)] | None = None
    max_replicas: Annotated[int, Field(ge=0, le=MOST_REPLICAS)] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The settings that are to change, ready for their columns."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: list(value) if name == "labels" else value
            for name, value in found.items()
            if value is not None or name == "max_replicas"
        }


class DrainForm(BaseModel):
    """How to drain. ``now``: hand back at once what is being rendered; it is done elsewhere and charged to nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"reason": "new driver"}]})

    reason: Annotated[str, Field(max_length=200), ONE_LINE] = ""
    now: bool = False
    by: Annotated[str, Field(max_length=80), ONE_LINE] = ""
