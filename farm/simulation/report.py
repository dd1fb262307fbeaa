"""What a run comes to in numbers."""

from collections import defaultdict
from dataclasses import asdict, dataclass

from farm.scheduling.view import SeatView

from .farm import Farm
from .workload import NEWCOMER, Workload


@dataclass(frozen=True, slots=True)
class Report:
    """``bound``: seconds that the workload takes at least; ``ratio``: makespan over that. Flow: seconds from a job's
    coming in to its end. ``shares``: of what was served while all owners had tasks waiting, over their weights, 1 is
    fair. ``newcomer``: seconds from the coming of a stranger's short job to its start. ``idle``: share of seats' time.
    """

    policy: str
    makespan: float
    bound: float
    ratio: float
    mean_flow: float
    p95_flow: float
    loads: int
    idle: float
    longest_wait: float
    lost: int
    failed: int
    withdrawn: int
    shares: dict[str, float]
    newcomer: float | None
    decisions: int
    decisions_per_second: float
    broken: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def lower_bound(workload: Workload, seats: list[SeatView]) -> float:
    """No schedule is shorter: all work on all seats, and the longest chains on the fastest seats."""
    speeds = sorted((seat.speed for seat in seats), reverse=True)
    chains = sorted((max(job.chains().values()) for job in workload.jobs), reverse=True)
    bound = sum(job.work for job in workload.jobs) / sum(speeds)
    work = power = 0.0
    for chain, speed in zip(chains, speeds, strict=False):
        work, power = work + chain, power + speed
        bound = max(bound, work / power)
    return bound


def report(policy: str, farm: Farm, workload: Workload, bound: float, broken: list[str]) -> Report:
    """Sum a finished run up."""
    history = farm.history
    makespan = max(history.finished.values(), default=0.0)
    flows = sorted(history.finished[name] - history.submitted[name] for name in history.finished)
    busy = sum(span.end - span.start for span in history.spans)
    seats = len({span.seat_id for span in history.spans} | set(farm.view.seats))
    outcomes = [span.outcome for span in history.spans]
    first = history.first_start.get(NEWCOMER)
    return Report(
        policy=policy,
        makespan=makespan,
        bound=bound,
        ratio=makespan / bound if bound else 0.0,
        mean_flow=sum(flows) / len(flows) if flows else 0.0,
        p95_flow=flows[int(0.95 * (len(flows) - 1))] if flows else 0.0,
        loads=history.loads,
        idle=1 - busy / (seats * makespan) if makespan else 0.0,
        longest_wait=history.waited,
        lost=outcomes.count("lost"),
        failed=outcomes.count("failed"),
        withdrawn=history.withdrawn,
        shares=_shares(farm, workload),
        newcomer=None if first is None else first - history.submitted[NEWCOMER],
        decisions=history.decisions,
        decisions_per_second=history.decisions / history.decision_seconds if history.decision_seconds else 0.0,
        broken=tuple(broken),
    )


def _shares(farm: Farm, workload: Workload) -> dict[str, float]:
    """Service over weight, relative to the mean, until the first of the big owners had nothing more waiting."""
    weights = workload.weights
    if not weights:
        return {}
    until = min(farm.history.emptied.get(name, float("inf")) for name in weights)
    served: dict[str, float] = defaultdict(float)
    for at, owner, units in farm.history.served:
        if at <= until:
            served[owner] += units
    fair = sum(served[name] for name in weights) / sum(weights.values())
    return {name: served[name] / weights[name] / fair for name in weights} if fair else {}
