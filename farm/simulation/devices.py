"""The seats of a pretended farm, from a text such as ``50xH100:1.0,100x4090:0.6``."""

import math
import random
import re
from dataclasses import dataclass

from farm.errors import InputError
from farm.jobs.records import TaskKind
from farm.scheduling.view import ALL_KINDS, SeatView

DEVICES = "50xH100:1.0,100x4090:0.6,50x3060:0.3"
SEATS_PER_NODE = 8
MOST_SEATS = 20_000
CPU = "cpu"

PATTERN = re.compile(r"(\d+)x([A-Za-z0-9_.-]+):(\d*\.?\d+)")


@dataclass(frozen=True, slots=True)
class Device:
    """``count`` equal seats. ``speed``: units a second. Those of class ``cpu`` are for all but sections."""

    count: int
    device_class: str
    speed: float


def parse_devices(text: str) -> list[Device]:
    """Read ``<count>x<class>:<speed>`` with commas.

    Raises:
        InputError: it reads otherwise, or asks for nothing or too much.
    """
    found = []
    for part in text.split(","):
        match = PATTERN.fullmatch(part.strip())
        device = Device(int(match[1]), match[2], float(match[3])) if match else None
        if device is None or not device.count or not 0 < device.speed < math.inf:
            raise InputError(
                f"devices {text!r}: can't read {part.strip()!r}; "
                f"expected <count>x<class>:<speed>, such as 50xH100:1.0, and commas between several."
            )
        found.append(device)
    if sum(device.count for device in found) > MOST_SEATS:
        raise InputError(f"devices {text!r}: at most {MOST_SEATS} seats can be simulated.")
    return found


def make_seats(devices: list[Device], seed: int = 0) -> list[SeatView]:
    """Seats on nodes of up to eight equal ones; nodes are numbered at random, so that names say nothing of speed."""
    nodes = [
        (device, min(SEATS_PER_NODE, device.count - first))
        for device in devices
        for first in range(0, device.count, SEATS_PER_NODE)
    ]
    random.Random(seed).shuffle(nodes)
    others = any(device.device_class == CPU for device in devices)
    return [
        _seat(device, f"node-{number:04}", index, others)
        for number, (device, count) in enumerate(nodes)
        for index in range(count)
    ]


def _seat(device: Device, node: str, index: int, others: bool) -> SeatView:
    takes, spares = ALL_KINDS, frozenset[TaskKind]()
    if device.device_class == CPU:
        takes = ALL_KINDS - {TaskKind.SECTION}
    elif others:
        spares = frozenset({TaskKind.DECODE, TaskKind.EXPORT})
    return SeatView(f"{node}/{index}", node, device.device_class, device.speed, takes=takes - spares, spares=spares)
