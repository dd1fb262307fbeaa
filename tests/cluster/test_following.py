"""Following and settling attempts: whatever happens to one, it ends with a reason, and its replica is free again."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import RayTaskError

from farm.cluster.board import Board
from farm.cluster.commits import Commits
from farm.cluster.devices import Slot
from farm.cluster.following import Follower
from farm.cluster.members import Held, Member, Members
from farm.cluster.replica import Outcome
from farm.errors import DatabaseError, StorageError
from farm.jobs.names import attempt_folder, growing_log_key, log_key
from farm.jobs.records import Attempt, AttemptState, FailureKind, Job, JobState
from farm.store.artifacts import ArtifactStore, open_store
from farm.work.failures import Failure

from .conftest import Farm


class Call:
    """A method of an actor that answers in this process, or raises."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.calls = list(answers), 0

    def remote(self, *args: Any) -> Any:
        async def result() -> Any:
            self.calls += 1
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return asyncio.ensure_future(result())


class Handle:
    """A replica as the coordinator sees it."""

    def __init__(self, *outcomes: Any) -> None:
        self.start, self.cancel, self.acknowledge = Call(None), Call(None), Call(None)
        self.wait = Call(*outcomes)


class Settled:
    """One attempt at ``encode``, followed to its end."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.job: Job = farm.job()
        self.attempt: Attempt = farm.store.start_attempt(f"{self.job.id}.encode", "r1")

    def follow(self, handle: Handle, artifacts: ArtifactStore | None = None) -> Member:
        async def run() -> Member:
            store, board = self.farm.store, Board()
            members = Members(self.farm.settings, store, None, nothing, lambda: None)
            commits = Commits(store, lambda: None)
            follower = Follower(store, artifacts or self.farm.artifacts, board, members, commits, lambda jobs: None)
            member = Member("r1", Slot("n", "cpu", "CPU"), handle, ready=True, running=Held(self.attempt.id))
            board.put_seat(member.seat())
            followed = asyncio.ensure_future(follower.follow(member, self.attempt))
            while not followed.done():  # as the coordinator's rounds do
                await commits.take_over(lambda jobs: None)
                commits.tell()
                await asyncio.wait([followed], timeout=0.01)
            await followed
            return member

        async def nothing() -> str:
            return ""

        return asyncio.run(run())

    @property
    def ended(self) -> Attempt:
        return next(a for a in self.farm.store.attempts(self.job.id) if a.id == self.attempt.id)


@pytest.fixture
def settled(alone: Farm) -> Settled:
    return Settled(alone)


def outcome(settled: Settled, **values: Any) -> Outcome:
    from farm.work.specs import spec_for

    task = settled.farm.store.tasks(settled.job.id)[0]
    spec = spec_for(settled.job, task, settled.attempt, settled.farm.store.artifacts(settled.job.id))
    return Outcome(spec, **values)


def raised_in_an_actor(error: Exception) -> RayTaskError:
    return RayTaskError("wait", "traceback", error).as_instanceof_cause()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (raised_in_an_actor(ValueError("odd")), FailureKind.TASK),
        (raised_in_an_actor(MemoryError("much")), FailureKind.RESOURCES),
        (KeyError("what nobody foresaw"), FailureKind.TASK),
    ],
)
def test_what_nobody_foresaw_ends_the_attempt_and_frees_the_replica(settled: Settled, error: Exception, kind) -> None:
    handle = Handle(error, outcome(settled))
    member = settled.follow(handle)
    assert settled.ended.failure is kind and member.attempt is None
    assert handle.cancel.calls == 1 and handle.acknowledge.calls == 1
    assert settled.farm.store.tasks(settled.job.id)[0].state == "ready"


def test_errors_of_a_stores_client_are_a_want_of_resources(settled: Settled) -> None:
    """S3's EndpointConnectionError is no OSError: it stranded replica and task once."""

    class EndpointConnectionError(Exception):
        pass

    def unreachable(*args: object) -> None:
        raise EndpointConnectionError("could not connect to the endpoint URL")

    artifacts = open_store(settled.farm.settings)
    artifacts.publish = unreachable  # type: ignore[method-assign]

    from farm.jobs.records import Artifact

    file = Artifact("conditioning", f"jobs/{settled.job.id}/attempts/{settled.attempt.id}/c.safetensors", 1, "0" * 64)
    member = settled.follow(Handle(outcome(settled, files=(file,))), artifacts)
    assert settled.ended.failure is FailureKind.RESOURCES and "EndpointConnectionError" in settled.ended.message
    assert member.attempt is None and member.state == "resting"


def test_a_database_that_comes_back_loses_nothing(settled: Settled, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, refusals = settled.farm.store.commit_attempts, [DatabaseError("away"), StorageError("away")]

    def flaky(results: Any) -> Any:
        return [refusals.pop()] if refusals else commit(results)

    monkeypatch.setattr(settled.farm.store, "commit_attempts", flaky)
    member = settled.follow(Handle(outcome(settled)))
    assert settled.ended.state is AttemptState.COMMITTED and member.attempt is None


def test_damaged_input_is_made_again_and_pauses_nothing(settled: Settled) -> None:
    farm = settled.farm
    farm.store.commit_attempt(settled.attempt.id, [])
    settled.attempt = farm.store.start_attempt(f"{settled.job.id}.section-000", "r1")
    failure = Failure(FailureKind.DAMAGED, "conditioning is damaged", "conditioning")
    settled.follow(Handle(outcome(settled, failure=failure)))
    assert farm.store.tasks(settled.job.id)[0].state == "ready"
    assert farm.store.get_job(settled.job.id).state is JobState.RUNNING


def test_damaged_input_that_nobody_made_pauses_the_job_with_its_reason(settled: Settled) -> None:
    failure = Failure(FailureKind.DAMAGED, "image is gone", "image")
    settled.follow(Handle(outcome(settled, failure=failure)))
    assert settled.farm.store.get_job(settled.job.id).state is JobState.PAUSED
    assert any("image is gone Mend this" in e.message for e in settled.farm.store.events(settled.job.id))


@pytest.mark.parametrize("failure", [None, Failure(FailureKind.TASK, "ValueError: odd")])
def test_the_log_of_every_attempt_is_kept_and_the_rest_of_its_folder_goes(settled: Settled, failure) -> None:
    artifacts, folder = settled.farm.artifacts, attempt_folder(settled.job.id, settled.attempt.id)
    artifacts.write(growing_log_key(folder), b"what was said")
    artifacts.write(f"{folder}/half-done.jpg", b"?")
    settled.follow(Handle(outcome(settled, failure=failure)))
    assert artifacts.read(log_key(settled.job.id, settled.attempt.id)) == b"what was said"
    assert not artifacts.exists(f"{folder}/half-done.jpg")


def test_a_job_that_was_deleted_meanwhile_leaves_no_log(settled: Settled) -> None:
    artifacts, folder = settled.farm.artifacts, attempt_folder(settled.job.id, settled.attempt.id)
    late = outcome(settled)
    artifacts.write(growing_log_key(folder), b"what was said")
    settled.farm.store.cancel_job(settled.job.id)
    settled.farm.store.delete_job(settled.job.id)
    settled.follow(Handle(late))
    assert not artifacts.exists(log_key(settled.job.id, settled.attempt.id))
    assert not artifacts.exists(growing_log_key(folder))


def test_input_that_cannot_be_used_is_not_tried_again(settled: Settled) -> None:
    settled.follow(Handle(outcome(settled, failure=Failure(FailureKind.INPUT, "box offset can't be negative"))))
    job = settled.farm.store.get_job(settled.job.id)
    assert job.state is JobState.FAILED and len(settled.farm.store.attempts(job.id)) == 1
