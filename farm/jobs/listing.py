"""Which jobs to list, and in what order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .records import JobState


class JobSort(StrEnum):
    """Orders of a list; ``place``: as they will run, then paused ones, then those that have ended, the newest first."""

    CREATED = "created"
    FINISHED = "finished"
    PLACE = "place"
    PRIORITY = "priority"
    NAME = "name"
    OWNER = "owner"
    STATE = "state"


@dataclass(frozen=True)
class JobFilter:
    """Jobs that are all of this; what is empty or None lets all pass.

    ``states``: one of these. ``text``: found in id, name or prompt. ``begins``: of the id. ``family``: of the model.
    ``since``, ``until``: when it was queued, the latter not included. ``parent``: of a take. ``batch``: its name.
    """

    states: tuple[JobState, ...] = ()
    owner: str | None = None
    text: str | None = None
    begins: str | None = None
    family: str | None = None
    preset: str | None = None
    parent: str | None = None
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = JobFilter()
