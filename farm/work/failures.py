"""Whose fault it is that an attempt has no result, told from what was raised, and what the rows then say."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.errors import (
    SCARCE,
    CancelledError,
    CheckpointError,
    DamagedArtifactError,
    DeviceError,
    InputError,
    NotFoundError,
    PluginFault,
    ProcessLostError,
    StorageError,
)
from farm.jobs.records import Attempt, FailureKind

if TYPE_CHECKING:
    from farm.store.jobs import JobStore


@dataclass(frozen=True)
class Failure:
    """Why an attempt has no result. ``artifact``: the input that is damaged, if that is why."""

    kind: FailureKind
    message: str
    artifact: str = ""


def judge(error: BaseException) -> Failure:
    """Whose fault an exception is, and what to tell a person."""
    if isinstance(error, DamagedArtifactError) and error.artifact:
        return Failure(FailureKind.DAMAGED, str(error), error.artifact)
    return Failure(classify(error), describe_error(error))


def settle_failure(store: "JobStore", attempt: Attempt, failure: Failure) -> bool:
    """Record an attempt's failure; False when it can't be mended without a person, and the job should wait for one."""
    if failure.kind is FailureKind.DAMAGED:
        return store.fail_for_damage(attempt.id, failure.artifact, failure.message)
    store.fail_attempt(attempt.id, failure.kind, failure.message)
    return True


def classify(error: BaseException) -> FailureKind:
    """Whose fault an exception is: the task's own, its input's, the replica's, missing resources, an interruption."""
    if isinstance(error, CancelledError):
        return FailureKind.INTERRUPTION
    if isinstance(error, ProcessLostError):
        return FailureKind.LOST
    if isinstance(error, DeviceError):
        return FailureKind.REPLICA
    if isinstance(error, InputError):
        return FailureKind.INPUT
    if isinstance(error, PluginFault):
        return FailureKind.PLUGIN
    if type(error).__name__ == "AcceleratorError":  # torch's, for what can't be mended inside the process
        return FailureKind.DEVICE
    if isinstance(error, CheckpointError):
        return FailureKind.REPLICA
    if isinstance(error, StorageError | NotFoundError) or is_out_of_memory(error):
        return FailureKind.RESOURCES
    if isinstance(error, OSError) and error.errno in SCARCE:
        return FailureKind.RESOURCES
    return FailureKind.TASK


def is_out_of_memory(error: BaseException) -> bool:
    """Whether host or device had no memory left; torch's CPU allocator says so in a plain RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def describe_error(error: BaseException) -> str:
    """One line for a person: the message of our own errors, type and message of all others."""
    text = " ".join(str(error).split())[:500]
    return text if type(error).__module__ == "farm.errors" and text else f"{type(error).__name__}: {text}"
