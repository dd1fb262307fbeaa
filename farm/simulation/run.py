"""One simulation from its options to its report."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from farm.scheduling.view import SeatView

from .devices import DEVICES, make_seats, parse_devices
from .farm import Farm, Options
from .faults import find_faults
from .invariants import broken
from .policies import find_policy
from .report import Report, lower_bound, report
from .workload import Workload, make_workload

MOST_SECONDS = 30 * 24 * 3600.0
"""A simulation that takes longer than that many seconds of its own time will never end."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is simulated. ``jobs``: ``None`` for as many as the workload has by default; ``faults``: names, commas."""

    devices: str = DEVICES
    workload: str = "chains"
    jobs: int | None = None
    faults: str = ""
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Outcome:
    report: Report
    farm: Farm
    seats: tuple[SeatView, ...]
    workload: Workload


def simulate(setting: Setting, policy: str = "farm", tell: Tell | None = None) -> Outcome:
    """Run a workload to its end. ``tell`` hears now and then how many jobs are done, and of how many.

    Raises:
        InputError: the devices, workload, policy or faults can't be read.
    """
    devices = parse_devices(setting.devices)
    seed = setting.options.seed
    speed = sum(device.count * device.speed for device in devices)
    seats = make_seats(devices, seed)
    workload = make_workload(setting.workload, setting.jobs, seed, speed)
    farm = Farm(workload, seats, find_policy(policy), setting.options)
    for number, fault in enumerate(find_faults(setting.faults)):
        fault(farm, random.Random(f"{seed}-{number}"))
    while not farm.over and farm.clock.now < MOST_SECONDS and farm.step():
        if tell is not None:
            tell(len(farm.history.finished), len(workload.jobs))
    bound = lower_bound(workload, seats)
    summary = report(policy, farm, workload, bound, broken(farm, workload, bound))
    return Outcome(summary, farm, tuple(seats), workload)
