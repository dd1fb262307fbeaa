"""Reading an attempt's inputs: only what was committed is ever used."""

import hashlib
from typing import TYPE_CHECKING

from farm.errors import StorageError
from farm.jobs.records import AttemptSpec

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore


def read_input(artifacts: "ArtifactStore", spec: AttemptSpec, name: str) -> bytes:
    """The bytes of the input artifact ``name``.

    Raises:
        StorageError: the file is gone, or is not what was committed.
    """
    key = spec.inputs[name]
    with artifacts.open_read(key) as file:
        data = file.read()
    found, expected = hashlib.sha256(data).hexdigest(), spec.hashes.get(name)
    if expected and found != expected:
        raise StorageError(f"artifact {key} has sha256 {found[:12]}, was committed as {expected[:12]}: the file is damaged.")
    return bytes(data)
