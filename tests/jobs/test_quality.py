"""Measures are found in the facts of those attempts that decoded a section, and last."""

from datetime import UTC, datetime

from farm.jobs.quality import measured_sections
from farm.jobs.records import Attempt, AttemptState
from model.quality.calibration import true_clip
from model.quality.measures import measure

MEASURES = measure(true_clip(0)[0]).to_json()


def attempt(name: str, state: AttemptState = AttemptState.COMMITTED, quality: object = MEASURES) -> Attempt:
    facts = {"quality": quality} if quality else {}
    return Attempt(f"a-{name}-{state}", f"j.{name}", "j", 1, "r", state, datetime.now(UTC), facts=facts)


def test_only_committed_decodings_count() -> None:
    found = measured_sections(
        [
            attempt("decode-000"),
            attempt("decode-001", AttemptState.FAILED),
            attempt("decode-002", quality=None),
            attempt("decode-003", quality={"mean": []}),
            attempt("section-004"),
            attempt("decode-112"),
        ]
    )
    assert sorted(found) == [0, 112]
