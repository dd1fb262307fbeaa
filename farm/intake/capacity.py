"""What a farm has for a model now, from its rows: how many devices could work for one video, and how fast they are."""

from collections import defaultdict
from statistics import median

from farm.jobs.records import Replica, TaskKind
from farm.store.jobs import JobStore
from model.family import FamilyInfo

from .orders import Capacity

AWAY = frozenset({"lost", "quarantined"})
"""States of replicas that take nothing."""
EXPORT_SEAT = "-export"
"""Of the names of seats that render nothing."""
MEASURED = 500


def capacity_of(store: JobStore, family: FamilyInfo) -> Capacity:
    """One video stays on one class of devices: of all classes, the one that does most at a time."""
    classes: dict[str, list[Replica]] = defaultdict(list)
    for replica in store.replicas():
        if replica.state not in AWAY and replica.wanted == "active" and EXPORT_SEAT not in replica.seat:
            classes[replica.device].append(replica)
    if not classes:
        return Capacity()
    device, members = max(classes.items(), key=lambda each: (sum(map(_speed, each[1])), each[0]))
    rates = [
        done.seconds / done.work
        for done in store.finished(MEASURED)
        if done.kind is TaskKind.SECTION and done.family == family.name and done.device == device and done.work > 0
    ]
    return Capacity(len(members), median(rates) if rates else None)


def _speed(replica: Replica) -> float:
    return replica.speed or replica.expected_speed or 1.0
