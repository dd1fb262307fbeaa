"""What was measured of a job's sections, from the facts of the attempts that decoded them."""

from collections.abc import Iterable

from model.quality.pieces import Measures

from .names import decode_index
from .records import Attempt, AttemptState

QUALITY = "quality"
"""The fact's name."""


def measured_sections(attempts: Iterable[Attempt]) -> dict[int, Measures]:
    """By section; those that an early version decoded are left out."""
    found: dict[int, Measures] = {}
    for attempt in attempts:
        told, index = attempt.facts.get(QUALITY), decode_index(attempt.task_id.rpartition(".")[2])
        if attempt.state is AttemptState.COMMITTED and told and index is not None:
            try:
                found[index] = Measures.of_json(told)
            except (KeyError, TypeError):  # of another version
                continue
    return found
