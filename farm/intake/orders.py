"""``order = "auto"``: which order a video is rendered in, and why, by its model, its length, devices and deadline.

What is chosen stands in the job's request, as if it had been asked for: the video can be made again anywhere.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from farm.errors import InputError
from farm.jobs.request import RenderRequest
from model.family import FamilyInfo
from model.plan import Layout, Plan, find_order
from model.plan.listed import list_order
from model.plan.orders import AUTO, FANOUT, Link, is_own
from model.settings import ModelSettings

from .planning import plan_for

SUMMARY = "by model, length, devices and deadline: says why when it is queued"
QUALITY = ("inverted", "endpoints", "bisect", "fanout:2", "vanilla", "fanout:4", "fanout:8")
"""The best first, as ``farm bench orders`` found them: see docs/orders.md."""
HASTY = FANOUT
"""Orders that render neighbours without sight of each other: for deadlines alone."""
SLACK = 1.25
"""A better order may take so many times as long as the fastest of the others."""


@dataclass(frozen=True)
class Capacity:
    """What there is to render on. ``devices``: that could work for one video at the same time, were they free;
    ``rate``: seconds that they take for a unit of work, None where nothing was measured yet."""

    devices: int = 1
    rate: float | None = None


Look = Callable[[FamilyInfo], Capacity]
"""Finds out what there is for a model."""


@dataclass(frozen=True)
class Chosen:
    """An order, and ``why``, as a sentence."""

    order: str
    why: str


def alone(family: FamilyInfo) -> Capacity:
    """Where nobody knows of any devices: one."""
    return Capacity()


def this_machine(most: int | None = None) -> Capacity:
    """The GPUs of this machine, or its cores where it has none, but no more than ``most``."""
    from model.device import graphics_cards

    there = len(graphics_cards()) or os.cpu_count() or 1
    return Capacity(min(there, most or there))


def is_auto(order: object) -> bool:
    """Whether somebody asks for an order to be chosen."""
    return isinstance(order, str) and order.strip().lower() == AUTO


def written_out(request: RenderRequest, settings: ModelSettings | None = None) -> RenderRequest:
    """The request with the links of a plug-in's order in it: from then on nobody needs the plug-in to plan it.
    ``settings``: as of ``plan_for``.

    Raises:
        InputError: the plug-in has no links, or wrong ones, for the sections of this video.
    """
    order = find_order(request.order)
    if is_own(order.name) or "=" in request.order:
        return request
    asked: dict[int, list[Link]] = {}

    def links(count: int) -> list[Link]:
        asked[count] = order.links(count)
        return asked[count]

    plan_for(request, order=replace(order, links=links), settings=settings)
    return request.model_copy(update={"order": list_order(order.name, asked)})


def chosen_order(
    request: RenderRequest,
    family: FamilyInfo,
    capacity: Capacity,
    left: float | None = None,
    settings: ModelSettings | None = None,
) -> Chosen:
    """Choose for a request.

    Args:
        request: whose ``order`` counts for nothing.
        family: its model's.
        capacity: what it is rendered on.
        left: seconds until its deadline, if it has one.
        settings: of this machine, as of ``plan_for``.

    Raises:
        InputError: see ``choose_plan``.
    """

    def planned(order: str) -> Plan:
        return plan_for(request.model_copy(update={"order": order}), settings=settings)

    seconds = section_units(request, family, family.layout) * (capacity.rate or 1.0)
    return choose_plan(planned, family, capacity, seconds, left)[1]


def choose_plan(
    planned: Callable[[str], Plan],
    family: FamilyInfo,
    capacity: Capacity,
    seconds: float = 0.0,
    left: float | None = None,
) -> tuple[Plan, Chosen]:
    """Choose between all orders that a model was trained for: the plan, and why.

    Args:
        planned: gives the plan in an order; raises InputError for one that does not fit.
        family, capacity, left: as of ``chosen_order``.
        seconds: that a section takes.

    Raises:
        InputError: no order fits: that of the model's own.
    """
    plans: dict[str, Plan] = {}
    for order in sorted(family.orders, key=_rank):
        try:
            plans[order] = planned(order)
        except InputError:  # its layout may show too little, as that of a model that sees the past alone
            continue
    if not plans:
        planned(family.default_order)
        raise InputError(f"none of the orders that model {family.name!r} was trained for fits; name one.")
    chosen = choose(plans, capacity.devices, seconds, left)
    return plans[chosen.order], chosen


def choose(plans: Mapping[str, Plan], devices: int, seconds: float, left: float | None = None) -> Chosen:
    """Choose between plans of one video, the best order first.

    Args:
        plans: by order.
        devices: that could work for it at the same time.
        seconds: that a section takes.
        left: until the deadline.
    """
    times = {order: plan.makespan(devices) for order, plan in plans.items()}
    calm = {order: time for order, time in times.items() if not order.startswith(HASTY)} or times
    best = next(order for order, time in calm.items() if time <= SLACK * min(calm.values()))
    sections = len(next(iter(plans.values())).sections)
    on = "one device" if devices == 1 else f"{devices} devices"
    why = f"{best}: on {on} it takes as long as {times[best]} of its {sections} sections"
    why += "; of orders about as fast it drifts least" if len(plans) > 1 else "; the model knows no other"
    if left is None or seconds * times[best] <= left:
        return Chosen(best, f"order {why}.")
    timely = next((order for order, time in times.items() if seconds * time <= left), None)
    taken = timely or min(times, key=times.__getitem__)
    gain = f"order {taken}: {best} would take about {seconds * times[best]:.0f} s, and {max(left, 0):.0f} s are left"
    if timely:
        return Chosen(taken, f"{gain} until the deadline; this takes about {seconds * times[taken]:.0f} s on {on}.")
    return Chosen(taken, f"{gain} until the deadline; none is fast enough, this is the fastest on {on}.")


def section_units(
    request: RenderRequest, family: FamilyInfo, layout: Layout, bucket: tuple[int, int] | None = None
) -> float:
    """Seconds that a section takes on a device of speed 1: its tokens, steps and passes. ``bucket``: height and width
    in pixels; by default one of the model's, which all have about as many."""
    family = family.at(request.resolution)
    return units_of(family, layout, bucket or family.buckets[0], request.steps, request.cfg)


def units_of(family: FamilyInfo, layout: Layout, bucket: tuple[int, int], steps: int, cfg: float) -> float:
    """As ``section_units``, where there is no request yet."""
    height, width = bucket
    tokens = layout.tokens(height // family.latent_pixels, width // family.latent_pixels)
    return tokens * steps * (2 if cfg > 1 else 1) * family.token_seconds


def seconds_left(deadline: datetime | None, now: datetime) -> float | None:
    """Until a deadline; None without one."""
    return None if deadline is None else (deadline - now).total_seconds()


def _rank(order: str) -> tuple[int, str]:
    return (QUALITY.index(order) if order in QUALITY else len(QUALITY), order)
