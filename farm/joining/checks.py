"""What a machine looks at before it joins: each check is a real attempt, and names a remedy when it fails."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from farm.checks import Check, State, tried
from farm.settings import Settings

from .card import Card
from .head import Head
from .ports import Ports, address_towards, listening, unreachable
from .versions import Versions

GB = 10**9
LEAST_DISK = 5 * GB
SKEW_SECONDS = 5.0
SECTION_SECONDS, ASK_SECONDS = 60.0, 0.5
"""For how long a head that has no section yet is asked for it, and how often."""
VERSIONS = "versions"
"""The check that nobody may pass over: a machine of another version would make other videos."""


@dataclass
class Joining:
    """What the checks work with. ``card``: what the head told, once it has been asked; ``section``: digest of one
    rendered here."""

    settings: Settings
    head: Head
    ports: Ports
    card: Card | None = None
    asked: float = 0.0
    section: str = ""

    def told(self) -> Card:
        """The card; asks for it the first time."""
        if self.card is None:
            before = time.time()
            self.card = self.head.card()
            self.asked = (before + time.time()) / 2
        return self.card


def run_checks(joining: Joining) -> Iterator[Check]:
    """All checks, as they finish. Nothing else is looked at where the head does not answer or refuses."""
    for name, look in CHECKS.items():
        check = tried(name, partial(look, joining))
        yield check
        if name == "head" and check.state is State.FAILED:
            return


def _head(joining: Joining) -> Check:
    card = joining.told()
    if card.cluster is None:
        return Check(
            "head",
            State.FAILED,
            f"the farm at {joining.head.url} is open to no other machine",
            "there: farm down, then farm up --host 0.0.0.0",
        )
    return Check("head", State.OK, f"{joining.head.url}, Ray at {card.cluster.address}")


def _versions(joining: Joining) -> Check:
    here = Versions.here()
    unlike = here.differences(joining.told().versions)
    if not unlike:
        return Check(VERSIONS, State.OK, f"farm {here.farm} ({here.code}), Python {here.python}, torch {here.torch}")
    found = "; ".join(f"{name} {mine} here, {theirs} there" for name, (mine, theirs) in unlike.items())
    remedy = (
        "install the same versions on both, such as from the same checkout with `make setup`; results depend on them"
    )
    return Check(VERSIONS, State.FAILED, found, remedy)


def _clock(joining: Joining) -> Check:
    skew = joining.asked - joining.told().clock
    if abs(skew) > SKEW_SECONDS:
        way = "ahead of" if skew > 0 else "behind"
        return Check(
            "clock", State.FAILED, f"{abs(skew):.0f} s {way} the head's", "set both by NTP: timedatectl set-ntp true"
        )
    return Check("clock", State.OK, f"{abs(skew):.1f} s off the head's")


def _there(joining: Joining) -> Check:
    cluster = joining.told().cluster
    assert cluster is not None
    host, _, port = cluster.address.rpartition(":")
    wanted = (int(port), *Ports(cluster.first_port).answering[:2])
    closed = unreachable(host, wanted)
    if closed:
        found = ", ".join(f"{host}:{number} ({reason})" for number, reason in closed.items())
        return Check("ports of the head", State.FAILED, f"not reachable: {found}", _firewall(cluster.first_port))
    return Check("ports of the head", State.OK, f"{host}: {', '.join(map(str, wanted))}")


def _here(joining: Joining) -> Check:
    ports = joining.ports.answering
    with listening(ports) as taken:
        if taken:
            found = ", ".join(f"{port} ({reason})" for port, reason in taken.items())
            return Check(
                "ports here", State.FAILED, f"taken: {found}", "end what uses them, or choose others with --ray-port"
            )
        closed = joining.head.probe(ports)
    if closed:
        found = ", ".join(f"{port} ({reason})" for port, reason in closed.items())
        return Check("ports here", State.FAILED, f"the head can't reach {found}", _firewall(joining.ports.first))
    return Check("ports here", State.OK, f"the head reaches {', '.join(map(str, ports))}")


def _firewall(first: int) -> str:
    ports = Ports(first)
    return f"let TCP {first} to {ports.workers.stop - 1} pass the firewalls of both machines, in both directions"


def _disk(joining: Joining) -> Check:
    settings = joining.settings
    settings.ensure_home()
    free = shutil.disk_usage(settings.home).free
    found = f"{settings.home}, {free / GB:.1f} GB free"
    if free < LEAST_DISK:
        return Check(
            "disk", State.WARNING, found, "weights and copies of latents need room; set FARM_HOME to a larger disk"
        )
    return Check("disk", State.OK, found)


def _devices(joining: Joining) -> Check:
    """A small product on each GPU, compared with the CPU's."""
    import torch

    from model.device import graphics_cards

    source = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 256, generator=source) for _ in range(2))
    expected = left @ right
    broken: list[str] = []
    good: list[str] = []
    for card in graphics_cards():
        try:
            worst = float(((left.to(card) @ right.to(card)).cpu() - expected).abs().max())
            (good if worst < 0.5 else broken).append(f"{torch.cuda.get_device_name(card)} ({card}, off by {worst:.2g})")
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            broken.append(f"{card}: {(str(error).splitlines() or [type(error).__name__])[0]}")
    if broken:
        remedy = "mend the driver, or hide the card with CUDA_VISIBLE_DEVICES"
        return Check("devices", State.FAILED, f"wrong or broken: {'; '.join(broken)}", remedy)
    return Check("devices", State.OK, "; ".join(good) or f"no GPU; {os.cpu_count()} cores")


def _section(joining: Joining) -> Check:
    """A section of the bundled model renders, with the same bits as on the head."""
    from .section import calibrate

    mine = joining.section = calibrate(joining.settings.ensure_home()).digest
    theirs = _of_head(joining)
    if theirs and mine != theirs:
        remedy = "its CPU replicas are a class of their own, and no video is rendered by both; nothing needs to be done"
        return Check("a section", State.WARNING, f"rendered {mine[:12]}, the head {theirs[:12]}: other bits", remedy)
    return Check("a section", State.OK, f"rendered {mine[:12]}" + (", as on the head" if theirs else ""))


def _of_head(joining: Joining) -> str:
    """The digest of the head's section; one that has just started is still rendering it."""
    deadline = time.monotonic() + SECTION_SECONDS
    while not joining.told().section and time.monotonic() < deadline:
        time.sleep(ASK_SECONDS)
        joining.card = joining.head.card()
    return joining.told().section


def own_address(head: Head, given: str) -> str:
    """The address by which the others reach this machine: ``given``, or the one on the way to the head."""
    return given or address_towards(head.host)


CHECKS: dict[str, Callable[[Joining], Check]] = {
    "head": _head,
    VERSIONS: _versions,
    "clock": _clock,
    "ports of the head": _there,
    "ports here": _here,
    "disk": _disk,
    "devices": _devices,
    "a section": _section,
}
