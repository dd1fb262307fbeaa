"""The artifact store: files by key, complete or not there at all, wherever they are kept."""

from .opening import open_store
from .protocol import ArtifactStore

__all__ = ["ArtifactStore", "open_store"]
