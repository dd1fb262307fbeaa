"""Where replicas are, as people call it: the host's name and the seat there."""

from collections.abc import Callable

from farm.store.jobs import JobStore


def places(store: JobStore) -> Callable[[str], str]:
    """Gives for a replica's id such as ``studio-1 cuda-0``; for one that is gone the host, if known, else the id."""
    seats = {replica.id: f"{replica.host} {replica.seat}" for replica in store.replicas() if replica.host}
    hosts = {node.facts.id[:6]: node.facts.host for node in store.nodes() if node.facts.id}

    def place(replica: str) -> str:
        parts = replica.split("-")
        return seats.get(replica) or hosts.get(parts[1] if len(parts) == 3 else "", replica)

    return place
