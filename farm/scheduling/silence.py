"""How long an attempt may show no sign of progress before its replica is taken for hung.

Who finds one hung ends its process and settles the attempt as ``LOST``: that is free a few times, and then the task's
own failure, so that a task which hangs everywhere ends as well. Times are those of a clock that stands still while the
machine sleeps.
"""

import math

from farm.jobs.records import TaskKind

from .costs import LOAD_SECONDS

PATIENCE = 10.0
"""An attempt is hung when nothing came of it for so many times as long as it should have taken."""
SHORTEST, LONGEST = 60.0, 1800.0
SHORTEST_OF = {TaskKind.EXPORT: 300.0}
"""Kinds that do much between two signs, or work with programs of others."""


def longest_silence(kind: TaskKind, expected_seconds: float, steps: int, step: int | None = None) -> float:
    """Seconds without a sign that are still nothing to worry about, the loading of a model not counted.

    Args:
        kind: of the task.
        expected_seconds: that the whole should take there at most, see ``RangedCosts.range``; 0 or nan when unknown.
        steps: that it has in all; 0 when it shows none.
        step: the last that it has shown; None before the first. Between two steps one step's time counts, before the
            first and after the last the whole's: inputs are read then, and results written.
    """
    if not (math.isfinite(expected_seconds) and expected_seconds > 0):
        return LONGEST
    between = steps > 0 and step is not None and 0 < step < steps
    seconds = expected_seconds / steps if between else expected_seconds
    return min(LONGEST, max(SHORTEST_OF.get(kind, SHORTEST), PATIENCE * seconds))


def longest_load(expected_seconds: float = LOAD_SECONDS) -> float:
    """Seconds that the loading of a model may take."""
    if not (math.isfinite(expected_seconds) and expected_seconds > 0):
        return LONGEST
    return min(LONGEST, max(SHORTEST, PATIENCE * expected_seconds))


def is_silent(
    kind: TaskKind,
    expected_seconds: float,
    steps: int,
    last_progress_at: float | None,
    started_at: float,
    loaded: bool,
    now: float,
    *,
    step: int | None = None,
    load_seconds: float = LOAD_SECONDS,
) -> bool:
    """Whether the attempt has been without a sign for too long.

    Args:
        kind, expected_seconds, steps, step: see ``longest_silence``. Without ``step`` a sign is one between two steps.
        last_progress_at: when it showed the last sign; None before the first.
        started_at: when the replica got it.
        loaded: the model was in the replica's memory when it got it.
        now: by the same clock.
        load_seconds: what the loading should take.
    """
    if last_progress_at is None:
        load = 0.0 if loaded else longest_load(load_seconds)
        return now - started_at > load + longest_silence(kind, expected_seconds, steps)
    reached = 1 if step is None else step
    return now - max(last_progress_at, started_at) > longest_silence(kind, expected_seconds, steps, reached)
