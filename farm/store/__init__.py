"""The truth in SQL, and the files in an artifact store."""

from .artifacts import ArtifactStore, open_store
from .jobs import JobStore

__all__ = ["ArtifactStore", "JobStore", "open_store"]
