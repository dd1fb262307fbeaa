"""Whether a machine sees the artifacts of this farm, not some other folder: a file in the store says whose it is."""

from uuid import uuid4

from farm.errors import FarmError, NotFoundError, StorageError

from .protocol import ArtifactStore

KEY = "farm-id"
REMEDY = "mount the shared folder, or use `farm join`"


def farm_id(store: ArtifactStore) -> str:
    """The name that the store has for its farm; given on first use. For the head alone.

    Raises:
        StorageError: the store can't be used.
    """
    try:
        return _read(store)
    except NotFoundError:
        store.write(KEY, f"{uuid4().hex}\n".encode(), media_type="text/plain")
        return _read(store)


def unseen(store: ArtifactStore, farm: str) -> str:
    """Why this machine can't work with the artifacts of the farm of that id; "" when it can: it reads, writes and
    removes there."""
    probe = f"probes/{uuid4().hex}"
    try:
        found = _read(store)
        if found != farm:
            return _because(f"{store.url} belongs to another farm")
        if store.read(probe, store.write(probe, probe.encode()).sha256) != probe.encode():
            return _because(f"{store.url} gives back other bytes than were written")
        store.remove_prefix(probe)
    except NotFoundError:
        return _because(f"{store.url} is another place here, or empty")
    except FarmError as error:
        return _because(str(error).rstrip("."))
    return ""


def _because(why: str) -> str:
    return f"this node does not see the farm's artifacts ({why}): {REMEDY}"


def _read(store: ArtifactStore) -> str:
    try:
        return store.read(KEY).decode("ascii").strip()
    except UnicodeDecodeError:
        raise StorageError(f"{KEY} in {store.url} is no farm's id; remove it.") from None
