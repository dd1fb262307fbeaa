"""One action for many jobs."""

from enum import StrEnum

from .records import ACTIVE, ENDED, RUNNABLE, JobState


class Action(StrEnum):
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    DELETE = "delete"
    CHANGE = "change"
    """Of its order's terms."""


FITTING: dict[Action, tuple[JobState, ...]] = {
    Action.CANCEL: ACTIVE,
    Action.PAUSE: RUNNABLE,
    Action.RESUME: (JobState.PAUSED,),
    Action.RETRY: (JobState.FAILED, JobState.CANCELLED),
    Action.DELETE: ENDED,
    Action.CHANGE: ACTIVE,
}
"""States of jobs to which an action can be done."""
