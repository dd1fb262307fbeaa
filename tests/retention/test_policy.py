"""What goes, and what stays."""

from hypothesis import given
from hypothesis import strategies as st

from farm.retention.policy import DAY, JobFiles, Keep, Use, removals

SIZES = {Use.VIDEO: 5, Use.GIVEN: 1, Use.LATENTS: 100, Use.PREVIEWS: 10, Use.WORK: 1000}
NOW = 1e9


def job(name: str = "a", days: float | None = 1.0, needed: bool = False) -> JobFiles:
    return JobFiles(name, None if days is None else NOW - days * DAY, SIZES, needed)


def gone(*jobs: JobFiles, keep: Keep = Keep()) -> dict[str, set[Use]]:
    return {removal.job_id: set(removal.uses) for removal in removals(jobs, keep, NOW)}


def test_work_files_go_at_once_and_latents_after_their_time() -> None:
    assert gone(job()) == {"a": {Use.WORK}}
    assert gone(job(days=31)) == {"a": {Use.WORK, Use.LATENTS, Use.PREVIEWS}}
    assert gone(job(days=31), keep=Keep(None)) == {"a": {Use.WORK}}
    assert gone(job(days=0.01), keep=Keep(0.0)) == {"a": {Use.WORK, Use.LATENTS, Use.PREVIEWS}}


def test_jobs_that_are_not_completed_and_parents_of_such_keep_everything() -> None:
    assert gone(job(days=None), job("b", days=99, needed=True), keep=Keep(0.0, 0)) == {}


def test_beyond_the_budget_the_oldest_go_first() -> None:
    jobs = [job(name, days) for name, days in (("old", 3.0), ("older", 4.0), ("new", 1.0))]
    found = gone(*jobs, keep=Keep(None, 1 + 3348 - 1110))
    assert found["older"] == {Use.WORK, Use.LATENTS, Use.PREVIEWS}
    assert found["old"] == found["new"] == {Use.WORK}


def test_other_files_count_towards_the_budget() -> None:
    sizes = sum(SIZES.values())
    assert removals([job()], Keep(None, sizes + 5), NOW, beside=5)[0].uses == {Use.WORK}
    assert removals([job()], Keep(None, sizes + 5), NOW, beside=6)[0].uses == {Use.WORK, Use.LATENTS, Use.PREVIEWS}


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.booleans()), max_size=20), st.integers(0, 10_000))
def test_videos_and_what_was_given_never_go(found: list[tuple[float, bool, bool]], budget: int) -> None:
    jobs = [job(str(index), days if done else None, needed) for index, (days, done, needed) in enumerate(found)]
    for removal in removals(jobs, Keep(10.0, budget), NOW):
        assert not removal.uses & {Use.VIDEO, Use.GIVEN}
        one = jobs[int(removal.job_id)]
        assert one.finished is not None and not one.needed
        assert removal.size == sum(SIZES[use] for use in removal.uses)
