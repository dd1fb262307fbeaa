"""The contract of the job store, on every database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from farm.errors import ConflictError, InputError, NotFoundError, StaleAttemptError
from farm.jobs.records import HOPELESS, AttemptState, FailureKind, JobState, Task, TaskKind, TaskState
from farm.store.attempts import FREE_LOSSES, MAX_TASK_FAILURES, Reached, Result
from farm.store.database import Database
from farm.store.jobs import JobStore
from tests.support.jobs import SHA, audit, made, ready, run_all, run_task, submit


def states(store: JobStore, job_id: str) -> dict[str, TaskState]:
    return {task.name: task.state for task in store.tasks(job_id)}


class TestJobs:
    def test_new_job_offers_only_encode(self, store: JobStore):
        job = submit(store, name="Waving", priority=70)
        assert (job.state, job.started_at, job.finished_at) == (JobState.PENDING, None, None)
        assert job == store.get_job(job.id)
        assert job.job_order.priority == 70
        assert ready(store, job.id) == ["encode"]
        assert job.counts["ready"] == 1
        assert (job.counts["steps_done"], job.counts["steps_total"]) == (0, 100)
        assert list(store.artifacts(job.id)) == ["image"]
        audit(store, job.id)

    def test_dependencies_survive_the_round_trip(self, store: JobStore):
        job = submit(store)
        needs = {task.name: set(task.dependencies) for task in store.tasks(job.id)}
        assert needs["encode"] == set()
        assert needs["section-001"] >= {"encode", "section-000", "section-003"}
        assert needs["decode-001"] == {"encode", "section-000", "section-001"}
        assert needs["export"] == {f"decode-{i:03d}" for i in range(4)}

    def test_same_key_gives_the_same_job(self, store: JobStore):
        first = submit(store, key="abc")
        assert submit(store, key="abc", prompt="another").id == first.id
        assert submit(store, key="abd").id != first.id
        assert store.list_jobs()[1] == 2

    def test_same_key_at_the_same_moment_gives_one_job(self, store: JobStore):
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda _: submit(store, seconds=1, key="now").id, range(16)))
        assert len(ids) == 1
        assert store.list_jobs()[1] == 1

    def test_tasks_must_form_a_graph(self, store: JobStore):
        lonely = Task("j.a", "j", "a", TaskKind.ENCODE, None, ("nobody",))
        request = submit(store).request
        with pytest.raises(InputError, match="depend on nobody"):
            store.create_job(request, "", [lonely], [made("image")])
        with pytest.raises(InputError, match="at least one task"):
            store.create_job(request, "", [], [made("image")])
        with pytest.raises(NotFoundError):
            store.get_job("j")

    def test_unknown_job(self, store: JobStore):
        for call in (store.get_job, store.cancel_job, store.pause_job, store.retry_job, store.delete_job):
            with pytest.raises(NotFoundError, match="no job 'nope'"):
                call("nope")
        with pytest.raises(NotFoundError):
            store.start_attempt("nope.encode", "r1")

    def test_list_filters_and_pages_newest_first(self, store: JobStore):
        jobs = [submit(store, seconds=1, owner=f"o{i % 2}", name=f"take {i}", prompt="100% sun_ny") for i in range(5)]
        store.cancel_job(jobs[0].id)
        found, total = store.list_jobs(limit=2, offset=1)
        assert ([job.id for job in found], total) == ([jobs[3].id, jobs[2].id], 5)
        assert [job.id for job in store.list_jobs(state=JobState.CANCELLED)[0]] == [jobs[0].id]
        assert store.list_jobs(owner="o0")[1] == 3
        assert [job.id for job in store.list_jobs(text="TAKE 4")[0]] == [jobs[4].id]
        assert store.list_jobs(text="100%")[1] == 5
        assert store.list_jobs(text="0_")[1] == store.list_jobs(text="1%0")[1] == 0
        assert store.list_jobs(text=jobs[2].id)[1] == 1

    def test_ready_tasks_by_priority_then_age(self, store: JobStore):
        old, urgent, new = submit(store), submit(store, priority=90), submit(store)
        assert [job.id for _, job in store.ready_tasks()] == [urgent.id, old.id, new.id]
        assert len(store.ready_tasks(limit=2)) == 2

    def test_deleting_leaves_nothing(self, store: JobStore):
        job, other = submit(store), submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        with pytest.raises(ConflictError, match=r"is running, so it can't be deleted.* Cancel it first"):
            store.delete_job(job.id)
        store.cancel_job(job.id)
        store.delete_job(job.id)
        with pytest.raises(NotFoundError):
            store.get_job(job.id)
        assert store.tasks(job.id) == store.attempts(job.id) == store.events(job.id) == []
        assert store.artifacts(job.id) == {}
        with pytest.raises(StaleAttemptError):
            store.commit_attempt(attempt.id, [])
        assert store.report_progress(attempt.id, 1, 2) is False
        store.fail_attempt(attempt.id, FailureKind.TASK, "too late")
        audit(store, other.id)


class TestAttempts:
    def test_a_job_runs_to_its_end(self, store: JobStore):
        job = run_all(store, submit(store).id)
        assert job.state is JobState.COMPLETED
        assert job.started_at <= job.finished_at
        assert job.counts["steps_done"] == job.counts["steps_total"] == 100
        audit(store, job.id)

    def test_a_commit_frees_exactly_what_became_possible(self, store: JobStore):
        job = submit(store)
        assert run_task(store, job.id, "encode") == ["section-000", "section-003"]
        assert run_task(store, job.id, "section-000") == ["decode-000"]
        assert run_task(store, job.id, "section-003") == ["section-001"]
        audit(store, job.id)

    def test_a_task_has_one_current_attempt(self, store: JobStore):
        job = submit(store)

        def start(replica: str) -> str:
            try:
                return store.start_attempt(f"{job.id}.encode", replica).id
            except ConflictError as error:
                return str(error)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(start, [f"r{i}" for i in range(8)]))
        refused = [answer for answer in answers if "running, not ready" in answer]
        assert len(refused) == 7
        assert len(store.running_attempts()) == 1
        audit(store, job.id)

    def test_waiting_task_cannot_start(self, store: JobStore):
        job = submit(store)
        with pytest.raises(ConflictError, match=r"export of job .* is waiting, not ready"):
            store.start_attempt(f"{job.id}.export", "r1")

    def test_committing_twice_is_a_no_op(self, store: JobStore):
        job = submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        assert store.commit_attempt(attempt.id, [made("out-encode")])
        before = (store.get_job(job.id), store.events(job.id))
        assert store.commit_attempt(attempt.id, [made("out-other")]) == []
        assert (store.get_job(job.id), store.events(job.id)) == before
        audit(store, job.id)

    def test_late_attempt_cannot_commit(self, store: JobStore):
        job = submit(store)
        late = store.start_attempt(f"{job.id}.encode", "r1")
        store.fail_attempt(late.id, FailureKind.INTERRUPTION, "contact lost")
        current = store.start_attempt(f"{job.id}.encode", "r2")
        assert current.number == 2
        before = (store.get_job(job.id), store.events(job.id), store.artifacts(job.id))
        assert store.report_progress(late.id, 5, 25) is False
        with pytest.raises(StaleAttemptError, match=r"attempt 1 of encode .* interrupted"):
            store.commit_attempt(late.id, [made("out-encode")])
        store.fail_attempt(late.id, FailureKind.TASK, "late and broken")
        assert (store.get_job(job.id), store.events(job.id), store.artifacts(job.id)) == before
        assert store.report_progress(current.id, 1, 1) is True
        store.commit_attempt(current.id, [made("out-encode")])
        audit(store, job.id)

    def test_parallel_commits_free_their_common_dependant(self, store: JobStore):
        """Two predecessors that finish at the same moment: one of them must see the other's task done."""
        for _ in range(5):
            job = submit(store)
            run_task(store, job.id, "encode")
            pair = [store.start_attempt(f"{job.id}.{name}", name) for name in ("section-000", "section-003")]
            with ThreadPoolExecutor(2) as pool:
                freed = list(pool.map(lambda a: store.commit_attempt(a.id, [made(f"out-{a.replica}")]), pair))
            assert sorted(freed[0] + freed[1]) == ["decode-000", "section-001"]
            audit(store, job.id)

    def test_progress_counts_and_never_goes_back(self, store: JobStore):
        job = submit(store)
        run_task(store, job.id, "encode")
        attempt = store.start_attempt(f"{job.id}.section-000", "r1")
        assert store.report_progress(attempt.id, 7, 25)
        assert store.report_progress(attempt.id, 4, 25)
        assert store.get_job(job.id).counts["steps_done"] == 7
        assert [(a.step, a.steps) for a in store.running_attempts("r1")] == [(7, 25)]
        store.commit_attempt(attempt.id, [made("out-section-000")])
        assert store.report_progress(attempt.id, 8, 25) is False
        assert store.get_job(job.id).counts["steps_done"] == 25
        assert store.running_attempts() == []

    def test_running_attempts_by_replica(self, store: JobStore):
        first, second = submit(store), submit(store)
        one = store.start_attempt(f"{first.id}.encode", "r1")
        two = store.start_attempt(f"{second.id}.encode", "r2")
        assert [a.id for a in store.running_attempts()] == [one.id, two.id]
        assert [a.id for a in store.running_attempts("r2")] == [two.id]
        assert store.running_attempts("r3") == []


class TestFailures:
    def test_third_failure_of_its_own_fails_task_and_job(self, store: JobStore):
        job = submit(store)
        run_task(store, job.id, "encode")
        other = store.start_attempt(f"{job.id}.section-003", "r2")
        for number in (1, 2, 3):
            assert store.get_job(job.id).state is JobState.RUNNING
            attempt = store.start_attempt(f"{job.id}.section-000", "r1")
            assert attempt.number == number
            store.fail_attempt(attempt.id, FailureKind.TASK, "latents are NaN")
        job = store.get_job(job.id)
        assert job.state is JobState.FAILED
        assert job.error == "section-000 failed 3 times: latents are NaN"
        assert states(store, job.id)["section-000"] is TaskState.FAILED
        assert states(store, job.id)["encode"] is TaskState.DONE
        with pytest.raises(StaleAttemptError):
            store.commit_attempt(other.id, [])
        audit(store, job.id)

    def test_input_that_cannot_be_used_fails_at_once(self, store: JobStore):
        job = submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        assert store.fail_attempt(attempt.id, FailureKind.INPUT, "the image is damaged")
        job = store.get_job(job.id)
        assert (job.state, job.error) == (JobState.FAILED, "encode failed: the image is damaged")
        assert len(store.attempts(job.id)) == 1
        audit(store, job.id)

    def test_a_task_that_loses_one_replica_after_the_other_is_taken_to_kill_them(self, store: JobStore):
        job = submit(store)
        for lost in range(1, FREE_LOSSES + MAX_TASK_FAILURES + 1):
            assert store.get_job(job.id).state is not JobState.FAILED
            attempt = store.start_attempt(f"{job.id}.encode", f"r{lost}")
            assert store.fail_attempt(attempt.id, FailureKind.LOST, "its process died")
            assert store.tasks(job.id)[0].failures == max(0, lost - FREE_LOSSES)
        assert store.get_job(job.id).state is JobState.FAILED
        audit(store, job.id)

    def test_an_attempt_fails_once(self, store: JobStore):
        job = submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        assert store.fail_attempt(attempt.id, FailureKind.TASK, "bug")
        assert not store.fail_attempt(attempt.id, FailureKind.TASK, "bug")
        assert not store.fail_attempt("unknown", FailureKind.TASK, "bug")
        assert store.tasks(job.id)[0].failures == 1

    @pytest.mark.parametrize("kind", sorted(set(FailureKind) - {FailureKind.TASK} - HOPELESS))
    def test_failures_of_others_use_no_budget(self, store: JobStore, kind: FailureKind):
        job = submit(store)
        for _ in range(5):
            attempt = store.start_attempt(f"{job.id}.encode", "r1")
            store.fail_attempt(attempt.id, kind, "not its fault")
        task = store.tasks(job.id)[0]
        assert (task.state, task.failures, task.reason) == (TaskState.READY, 0, "not its fault")
        blamed = kind in (FailureKind.REPLICA, FailureKind.RESOURCES, FailureKind.DEVICE)
        expected = AttemptState.FAILED if blamed else AttemptState.INTERRUPTED
        assert {(a.state, a.failure, a.message) for a in store.attempts(job.id)} == {(expected, kind, "not its fault")}
        audit(store, job.id)

    def test_retry_keeps_what_is_done_and_renews_the_budget(self, store: JobStore):
        job = submit(store)
        run_task(store, job.id, "encode")
        for _ in range(3):
            attempt = store.start_attempt(f"{job.id}.section-000", "r1")
            store.fail_attempt(attempt.id, FailureKind.TASK, "bug")
        again = store.retry_job(job.id)
        assert (again.state, again.error, again.finished_at) == (JobState.PENDING, "", None)
        assert ready(store, job.id) == ["section-000", "section-003"]
        audit(store, job.id)
        assert run_all(store, job.id).state is JobState.COMPLETED
        audit(store, job.id)


class TestCommands:
    def test_cancel_interrupts_and_refuses_late_results(self, store: JobStore):
        job = submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        assert store.cancel_job(job.id).state is JobState.CANCELLED
        assert ready(store, job.id) == []
        assert store.report_progress(attempt.id, 1, 2) is False
        with pytest.raises(StaleAttemptError):
            store.commit_attempt(attempt.id, [made("out-encode")])
        audit(store, job.id)
        assert store.retry_job(job.id).state is JobState.PENDING
        assert run_all(store, job.id).state is JobState.COMPLETED

    def test_cancel_keeps_what_is_finished_for_a_retry(self, store: JobStore):
        job = submit(store)
        for name in ("encode", "section-000", "decode-000"):
            run_task(store, job.id, name)
        store.cancel_job(job.id)
        assert {"out-section-000", "out-decode-000"} <= store.artifacts(job.id).keys()
        audit(store, job.id)
        store.retry_job(job.id)
        assert ready(store, job.id) == ["section-003"]
        assert run_all(store, job.id).state is JobState.COMPLETED
        assert {attempt.number for attempt in store.attempts(job.id)} == {1}

    def test_pause_lets_running_attempts_commit(self, store: JobStore):
        job = submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        assert store.pause_job(job.id).state is JobState.PAUSED
        assert store.report_progress(attempt.id, 1, 1) is True
        assert store.commit_attempt(attempt.id, [made("out-encode")]) == ["section-000", "section-003"]
        assert ready(store, job.id) == []
        with pytest.raises(ConflictError, match="the job is paused"):
            store.start_attempt(f"{job.id}.section-000", "r1")
        audit(store, job.id)
        assert store.resume_job(job.id).state is JobState.RUNNING
        assert ready(store, job.id) == ["section-000", "section-003"]

    def test_completion_wins_over_an_earlier_pause(self, store: JobStore):
        job = submit(store, seconds=1)
        while (names := ready(store, job.id)) != ["export"]:
            run_task(store, job.id, names[0])
        attempt = store.start_attempt(f"{job.id}.export", "r1")
        store.pause_job(job.id)
        store.commit_attempt(attempt.id, [made("out-export")])
        assert store.get_job(job.id).state is JobState.COMPLETED
        audit(store, job.id)

    def test_resume_before_the_start_is_pending(self, store: JobStore):
        job = submit(store)
        store.pause_job(job.id)
        assert store.resume_job(job.id).state is JobState.PENDING

    LEGAL = {
        "cancel": {"pending", "running", "paused"},
        "pause": {"pending", "running"},
        "resume": {"paused"},
        "retry": {"failed", "cancelled"},
        "delete": {"completed", "failed", "cancelled"},
    }

    def test_every_command_in_every_state(self, store: JobStore):
        for state in JobState:
            for command, legal in self.LEGAL.items():
                job_id = self.job_in(store, state)
                call = getattr(store, f"{command}_job")
                if state in legal:
                    call(job_id)
                    continue
                before = store.get_job(job_id)
                with pytest.raises(ConflictError, match=f"is {state}, so it can't be {command[:4]}"):
                    call(job_id)
                assert store.get_job(job_id) == before

    def job_in(self, store: JobStore, state: JobState) -> str:
        job_id = submit(store, seconds=1).id
        if state is JobState.RUNNING:
            store.start_attempt(f"{job_id}.encode", "r1")
        elif state is JobState.PAUSED:
            store.pause_job(job_id)
        elif state is JobState.CANCELLED:
            store.cancel_job(job_id)
        elif state is JobState.COMPLETED:
            while names := ready(store, job_id):
                run_task(store, job_id, names[0])
        elif state is JobState.FAILED:
            for _ in range(3):
                attempt = store.start_attempt(f"{job_id}.encode", "r1")
                store.fail_attempt(attempt.id, FailureKind.TASK, "bug")
        assert store.get_job(job_id).state is state
        return job_id


class TestHistory:
    def test_every_state_change_is_an_event(self, store: JobStore):
        job = submit(store, seconds=1)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        store.fail_attempt(attempt.id, FailureKind.REPLICA, "CUDA error")
        store.pause_job(job.id)
        store.resume_job(job.id)
        run_all(store, job.id)
        kinds = [event.kind for event in store.events(job.id)]
        assert kinds[:6] == [
            "job_created", "job_started", "attempt_started", "attempt_failed", "job_paused", "job_resumed",
        ]  # fmt: skip
        assert kinds[6:] == ["attempt_started", "attempt_committed"] * 4 + ["job_completed"]
        failed = store.events(job.id)[3]
        assert failed.message == "encode: CUDA error"
        assert failed.data["failure"] == "replica"

    def test_events_can_be_followed(self, store: JobStore):
        job, other = submit(store), submit(store)
        store.add_event(job.id, "replica_lost", "r1 went away", {"replica": "r1"})
        store.add_event(other.id, "replica_lost", "r2 went away")
        events = store.events(job.id)
        assert [event.kind for event in events] == ["job_created", "replica_lost"]
        assert events[1].data == {"replica": "r1"}
        assert store.events(job.id, after=events[0].id) == events[1:]
        assert store.events(job.id, limit=1) == events[:1]
        with pytest.raises(NotFoundError):
            store.add_event("nope", "x", "y")


class TestReplicas:
    def test_rows_are_updated_in_place(self, store: JobStore):
        store.upsert_replica("r1", "node-a", "cuda:0", "starting")
        store.upsert_replica("r1", "node-a", "cuda:0", "idle", device_class="cuda-bf16", data={"attempt": None})
        store.upsert_replica("r2", "node-b", "cpu", "idle")
        first, second = store.replicas()
        assert (first.id, first.state, first.device_class, first.data) == ("r1", "idle", "cuda-bf16", {"attempt": None})
        assert first.started_at <= first.seen_at
        assert second.node == "node-b"
        store.remove_replica("r1")
        assert [replica.id for replica in store.replicas()] == ["r2"]


def test_artifact_of_a_later_attempt_replaces_an_earlier_one(store: JobStore):
    job = submit(store)
    attempt = store.start_attempt(f"{job.id}.encode", "r1")
    store.commit_attempt(attempt.id, [made("image")])
    assert store.artifacts(job.id)["image"].sha256 == SHA
    assert len(store.artifacts(job.id)) == 1


def test_a_request_of_another_version_is_trouble_of_its_own_job(store: JobStore, database_url: str):
    strange, fine = submit(store, name="strange"), submit(store, name="fine")
    database = Database(database_url)
    database.write(lambda c: c.execute(text("UPDATE jobs SET request_version = 9 WHERE id = :id"), {"id": strange.id}))
    database.close()
    jobs, total = store.list_jobs()
    assert total == 2 and {job.id: bool(job.trouble) for job in jobs} == {strange.id: True, fine.id: False}
    shown = store.get_job(strange.id)
    assert (shown.name, shown.state, shown.counts["steps_total"]) == ("strange", JobState.PENDING, 4 * 25)
    assert {job.id for _, job in store.ready_tasks()} == {strange.id, fine.id}
    assert store.cancel_job(strange.id).state is JobState.CANCELLED
    store.delete_job(strange.id)


class TestMany:
    """Batches: one transaction, and the trouble of one is its own."""

    def test_one_that_cannot_start_stops_no_other(self, store: JobStore):
        jobs = [submit(store), submit(store), submit(store)]
        store.pause_job(jobs[1].id)
        names = [f"{jobs[0].id}.encode", f"{jobs[1].id}.encode", "unknown", f"{jobs[2].id}.encode"]
        first, second, unknown, third = store.start_attempts([(name, "r", "CPU") for name in names])
        assert isinstance(second, ConflictError) and isinstance(unknown, NotFoundError)
        assert {each.id for each in store.running_attempts()} == {first.id, third.id}
        found = store.to_start_all([third, first])
        assert [(job.id, task.name, list(files)) for job, task, files in found] == [
            (jobs[2].id, "encode", ["image"]),
            (jobs[0].id, "encode", ["image"]),
        ]
        for job in jobs:
            audit(store, job.id)

    def test_one_that_is_stale_spoils_no_result(self, store: JobStore):
        jobs = [submit(store), submit(store)]
        attempts = [store.start_attempt(f"{job.id}.encode", "r") for job in jobs]
        store.cancel_job(jobs[0].id)
        (stale, fine), _ = store.commit_attempts([Result(each.id, [made("out-encode")], {}) for each in attempts])
        assert isinstance(stale, StaleAttemptError) and fine == ["section-000", "section-003"]
        assert list(store.artifacts(jobs[0].id)) == ["image"]
        for job in jobs:
            audit(store, job.id)

    def test_progress_of_those_that_are_current_is_noted(self, store: JobStore):
        jobs = [submit(store), submit(store)]
        attempts = [store.start_attempt(f"{job.id}.encode", "r") for job in jobs]
        store.cancel_job(jobs[0].id)
        assert store.report_all([Reached(each.id, 2, 25) for each in attempts]) == [False, True]
        assert [store.attempts(job.id)[0].step for job in jobs] == [0, 2]

    def test_keys_that_a_finished_task_has(self, store: JobStore):
        tasks = [Task(f"j.{name}", "j", name, TaskKind.ENCODE, None, (), key=f"key of {name}") for name in "ab"]
        store.create_job(submit(store).request, "", tasks, [made("image")])
        keys = {"key of a", "key of b", "another"}
        assert store.made(keys) == set()
        run_task(store, "j", "a")
        assert store.made(keys) == {"key of a"}
