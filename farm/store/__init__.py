"""The truth in SQL, and the files in an artifact store."""

from .artifacts import ArtifactStore
from .jobs import JobStore

__all__ = ["ArtifactStore", "JobStore"]
