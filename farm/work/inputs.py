"""What an attempt reads: files that other tasks committed, each checked against the hash that it was committed with."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from farm.errors import DamagedArtifactError, NotFoundError
from farm.jobs.names import in_film
from farm.jobs.records import AttemptSpec

if TYPE_CHECKING:
    import torch

    from farm.store.artifacts import ArtifactStore

LAG_SECONDS = 1.0
"""A file that is not there may be on its way: network drives show new files a moment late."""


class Kept:
    """The file of tensors that was asked for last, for the next attempt that reads the same one, as all sections of a
    video do with its conditioning."""

    def __init__(self) -> None:
        self._sha256, self._tensors = "", dict[str, "torch.Tensor"]()

    def tensors(self, inputs: "Inputs", name: str) -> "Mapping[str, torch.Tensor]":
        """As ``Inputs.tensors``; not to be changed."""
        sha256 = inputs.sha256(name)
        if not sha256 or sha256 != self._sha256:
            self._sha256, self._tensors = "", {}
            self._tensors, self._sha256 = inputs.tensors(name), sha256
        return self._tensors


class Inputs:
    """The inputs of one attempt, by the names of their artifacts in its shot.

    Methods raise DamagedArtifactError, with the artifact's name, when a file is not what was committed, and
    StorageError when the store can't be read.
    """

    def __init__(self, artifacts: "ArtifactStore", spec: AttemptSpec) -> None:
        self._artifacts, self._spec = artifacts, spec

    def sha256(self, name: str) -> str:
        """What it was committed with; empty where that is not known."""
        return self._spec.hashes.get(name) or ""

    def read(self, name: str) -> bytes:
        """The whole file."""
        key, sha256 = self._spec.inputs[name], self._spec.hashes.get(name)
        try:
            try:
                return self._artifacts.read(key, sha256)
            except NotFoundError:
                time.sleep(LAG_SECONDS)
                return self._artifacts.read(key, sha256)
        except (DamagedArtifactError, NotFoundError) as error:
            raise self._damaged(name, str(error)) from error

    def tensors(self, name: str) -> "dict[str, torch.Tensor]":
        """Tensors of a safetensors file, on the CPU."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(self.read(name))
        except SafetensorError as error:
            raise self._damaged(name, f"it is no safetensors file: {error}.") from error

    def metadata(self, name: str) -> dict[str, str]:
        """The metadata in a safetensors file, of which no more than the header is read."""
        try:
            return self._artifacts.tensor_metadata(self._spec.inputs[name])
        except (DamagedArtifactError, NotFoundError) as error:
            raise self._damaged(name, str(error)) from error

    def _damaged(self, name: str, why: str) -> DamagedArtifactError:
        """By the name that whoever makes it again knows it by."""
        known = in_film(name, self._spec.shot, self._spec.first)
        return DamagedArtifactError(f"{known}: {why}", known)
