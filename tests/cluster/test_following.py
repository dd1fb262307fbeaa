"""Following and settling attempts: whatever happens to one, it ends with a reason, and its replica is free again."""

from typing import Any

import pytest
from ray.exceptions import RayTaskError

from farm.errors import DatabaseError, StorageError
from farm.jobs.records import AttemptState, FailureKind
from farm.store.artifacts import open_store
from tests.support.attempts import Handle, Settled, outcome


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

    def flaky(results: Any, starts: Any) -> Any:
        return ([refusals.pop()], []) if refusals else commit(results, starts)

    monkeypatch.setattr(settled.farm.store, "commit_attempts", flaky)
    member = settled.follow(Handle(outcome(settled)))
    assert settled.ended.state is AttemptState.COMMITTED and member.attempt is None
