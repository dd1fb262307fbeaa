"""How many machines the queue is worth, and which of those that are there may go.

A machine is worth having for what the present seats would not get to within ``HORIZON`` seconds, and for what none of
them can take. One may go when it has had no work for a while and nothing waits that it could do.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .lanes import Lane
from .machine import Scale
from .records import Group, JobView, SeatState, TaskView
from .view import FarmView

HORIZON = 120.0
"""Seconds that what is ready may take on the present seats before another machine is worth it: it needs minutes."""
GROW_SECONDS = 10.0
"""So long something has waited before another machine is asked for, unless only that could take it."""
HOLD_SECONDS = 120.0
"""So long at least is asked for what was asked for, whatever the queue does meanwhile."""
ARRIVE_SECONDS = 180.0
"""For so long one that came, or was called back, and has no seats yet, is counted with those that it will have."""
COUNTED = frozenset({SeatState.READY, SeatState.STARTING})


@dataclass(frozen=True)
class Memory:
    """What one look leaves to the next. ``idle``: since when each node has had no work; ``spare``: nodes that were to
    go; ``target``: of machines, and when it last ``rose``."""

    idle: Mapping[str, float] = field(default_factory=dict)
    spare: frozenset[str] = frozenset()
    target: int = 0
    rose: float = -math.inf


@dataclass(frozen=True)
class Plan:
    """``target``: machines that there should be; ``coming``: of those, how many are not there yet; ``spare``: nodes
    that may go, which get no replicas."""

    target: int
    coming: int
    spare: frozenset[str]
    memory: Memory


def plan(view: FarmView, now: float, scale: Scale, nodes: Collection[str], memory: Memory, speed: float) -> Plan:
    """What to have.

    Args:
        nodes: machines that are there and can go; all others are nobody's to end.
        memory: of the look before.
        speed: units a second of a seat of a machine to come.
    """
    busy = {seat.node for seat in view.seats.values() if seat.running or seat.ahead}
    idle = {node: memory.idle.get(node, now) for node in nodes if node not in busy}
    seated = {seat.node for seat in view.seats.values() if seat.state in COUNTED}
    new = sum(
        1
        for node, since in idle.items()
        if node not in seated and node not in memory.spare and now - since < ARRIVE_SECONDS
    )
    extra = max(0, math.ceil(_seats_wanted(view, now, scale, speed) / scale.seats) - new)
    tired = [node for node, since in idle.items() if now - since >= scale.idle_seconds or node in memory.spare]
    there = len(nodes) - len(memory.spare & idle.keys() - seated)  # the seats of those that still have some count
    wanted = there + extra if extra else len(nodes) - len(tired)
    target = max(scale.least, min(scale.most, wanted))
    rose = now if target > memory.target else memory.rose
    if target < memory.target and now - rose < HOLD_SECONDS:
        target = max(scale.least, min(scale.most, memory.target))
    surplus = max(0, len(nodes) - target)
    order = sorted(tired, key=lambda node: (node not in memory.spare, idle[node], node))
    spare = frozenset(order[:surplus])
    called = memory.spare - spare
    idle = {node: now if node in called else since for node, since in idle.items()}
    return Plan(target, max(0, target - len(nodes)), spare, Memory(idle, spare, target, rose))


def _seats_wanted(view: FarmView, now: float, scale: Scale, speed: float) -> int:
    """Seats that are missing for what is ready and such a machine could take."""
    seats = Counter(view.groups[seat.id] for seat in view.seats.values() if seat.state in COUNTED)
    lanes: dict[Lane, list[TaskView]] = {}
    for lane, task in _startable(view, now):
        lanes.setdefault(lane, []).append(task)
    lanes = {lane: tasks for lane, tasks in lanes.items() if scale.takes(lane)}
    able = {lane: [group for group in seats if lane.fits(group)] for lane in lanes}
    only = [task for lane, tasks in lanes.items() if not able[lane] for task in tasks]
    others = [task for lane, tasks in lanes.items() if able[lane] for task in tasks]
    pool: set[Group] = {group for groups in able.values() for group in groups}
    room = HORIZON * sum(group.speed * seats[group] for group in pool)
    excess = max(0.0, sum(task.work for task in others) - room)
    waited = any(now - task.since >= GROW_SECONDS for task in others)
    each = HORIZON * speed
    missing = min(len(others), math.ceil(excess / each)) if waited else 0
    alone = max(1, min(len(only), math.ceil(sum(task.work for task in only) / each))) if only else 0
    return missing + alone


def _startable(view: FarmView, now: float) -> list[tuple[Lane, TaskView]]:
    """Ready tasks that the limits of owners and models let start, each with its lane, whoever failed it."""
    left = {
        name: math.inf if owner.limit is None else owner.limit - view.holdings.tasks(name)
        for name, owner in view.owners.items()
    }
    models = {name: float(limit - view.holdings.model_tasks(name)) for name, limit in view.model_limits.items()}
    found = []
    for task in sorted(view.tasks.values(), key=lambda task: (task.since, task.id)):
        job = view.jobs.get(task.job_id)
        family = task.needs.family
        if job is None or task.not_before > now or left.get(job.owner, math.inf) <= 0 or models.get(family, 1) <= 0:
            continue
        left[job.owner] = left.get(job.owner, math.inf) - 1
        models[family] = models.get(family, math.inf) - 1
        found.append((_lane(task, job), task))
    return found


def _lane(task: TaskView, job: JobView) -> Lane:
    lane = Lane.of(task, job)
    return Lane(lane.kind, lane.needs, lane.device_class)
