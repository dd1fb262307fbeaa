"""What the device of a replica's process is, asked there."""

import logging
from contextlib import suppress
from pathlib import Path

from .devices import UNKNOWN, DeviceFacts

log = logging.getLogger(__name__)


def look_at(device: str, preserve: float) -> DeviceFacts:
    """What torch knows of a device, less the ``preserve`` GB left to others; nothing when it can't be asked."""
    if device == "cpu":
        return DeviceFacts(_processor())
    try:
        import torch

        from model.device import GB, total_memory

        found = torch.device(device)
        major, minor = torch.cuda.get_device_capability(found)
        usable = max(0, total_memory(found) - round(preserve * GB))
        return DeviceFacts(torch.cuda.get_device_name(found), usable, f"{major}.{minor}")
    except Exception as error:  # noqa: BLE001 - a device that is broken says so when it is given work
        log.warning("can't ask %s what it is: %s", device, error)
        return UNKNOWN


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return ""
