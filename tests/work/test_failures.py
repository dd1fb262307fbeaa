"""Whose fault an exception is."""

import pytest

from farm.errors import CancelledError, CheckpointError, InputError, StorageError
from farm.jobs.records import FailureKind
from farm.work.failures import judge
from model.device import open_device


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CancelledError("stopped"), FailureKind.INTERRUPTION),
        (InputError("no picture"), FailureKind.INPUT),
        (CheckpointError("no weights"), FailureKind.REPLICA),
        (StorageError("full"), FailureKind.RESOURCES),
        (MemoryError(), FailureKind.RESOURCES),
        (KeyError("unforeseen"), FailureKind.TASK),
    ],
)
def test_kinds(error: Exception, kind: FailureKind) -> None:
    assert judge(error).kind is kind


def test_a_device_that_does_not_work_is_the_replicas_fault_and_fails_no_job() -> None:
    """A node whose CUDA was unusable failed every job that came there."""
    with pytest.raises(InputError) as met:
        open_device("cuda:99")
    found = judge(met.value)
    assert found.kind is FailureKind.REPLICA and "device 'cuda:99' can't be used" in found.message
