"""A glance shows any change, and costs the same however many jobs are looked at."""

from farm.store.jobs import JobStore
from tests.support.jobs import run_all, run_task, submit


def test_every_change_shows(store: JobStore) -> None:
    job, other = submit(store), submit(store)
    seen = [store.glance([job.id, other.id, "gone"])]
    assert set(seen[0]) == {job.id, other.id}

    def changed() -> bool:
        seen.append(store.glance([job.id, other.id]))
        assert seen[-1][other.id] == seen[0][other.id]
        return seen[-1][job.id] != seen[-2][job.id]

    assert not changed()
    run_task(store, job.id, "encode")
    assert changed() and not changed()
    attempt = store.start_attempt(f"{job.id}.section-000", "r1")
    assert changed()
    store.report_progress(attempt.id, 3, 25)
    assert changed() and seen[-1][job.id].steps == 3
    store.add_event(job.id, "note", "hello")
    assert changed()
    store.commit_attempt(attempt.id, [])
    assert changed()
    run_all(store, job.id)
    assert changed() and seen[-1][job.id].state == "completed"


def test_nothing_to_look_at_is_nothing(store: JobStore) -> None:
    assert store.glance([]) == {} and store.glance([f"job-{i}" for i in range(1200)]) == {}
