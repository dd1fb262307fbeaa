"""Orders: how N sections become a DAG, before the layout says what each of them reads.

An order lists *links* in a render order that is always legal: a link's ``past`` and ``future`` sections, the anchors
of the gap that it lies in, stand earlier in the list. Anti-drifting and inverted sampling are from arXiv 2504.12626,
figure 2; bisecting and fan-out fill the gap between two endpoints recursively, so that whole levels run at once.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from farm.errors import InputError, unknown_name

from .layout import Layout

MAX_FANOUT = 64
FANOUT = "fanout"
AUTO = "auto"
"""Asks for an order to be chosen."""


@dataclass(frozen=True)
class Link:
    """What the section ``index`` hangs on: the nearest finished sections before and after it.

    ``past`` None: only what stands before the gap, such as the start image. ``future`` None: only what stands after it.
    """

    index: int
    past: int | None = None
    future: int | None = None


@dataclass(frozen=True)
class Order:
    """A named order. ``needs_past`` and ``needs_future``: sides on which its layout must have context.

    ``links_leftward`` takes the place of ``links`` where a layout shows the future only if it touches the window.
    """

    name: str
    summary: str
    links: Callable[[int], list[Link]]
    needs_past: bool = True
    needs_future: bool = True
    links_leftward: Callable[[int], list[Link]] | None = None

    def links_for(self, layout: Layout, count: int) -> list[Link]:
        """The links of ``count`` sections, so that ``layout`` can show what they hang on."""
        leftward = self.links_leftward if layout.right and not layout.skips_after_window else None
        return (leftward or self.links)(count)


def vanilla(count: int) -> list[Link]:
    """First to last, each section after the one before it (figure 2a). Drifts."""
    return [Link(i, past=i - 1 if i else None) for i in range(count)]


def inverted(count: int) -> list[Link]:
    """Last to first, each section before the one after it (figure 2c): what the released model does."""
    return [Link(i, future=i + 1 if i + 1 < count else None) for i in reversed(range(count))]


def endpoints(count: int) -> list[Link]:
    """First and last section, then forward, each with the last one as its future (figure 2b)."""
    middle = [Link(i, past=i - 1, future=count - 1) for i in range(1, count - 1)]
    return _ends(count) + middle


def endpoints_leftward(count: int) -> list[Link]:
    """First and last section, then backward from the last, each with the first one as its past."""
    return _ends(count) + [Link(i, past=0, future=i + 1) for i in range(count - 2, 0, -1)]


def fanout(anchors: int) -> Callable[[int], list[Link]]:
    """Endpoints, then ``anchors`` evenly spread sections in each gap, and so on in the gaps that remain.

    A gap of at most ``anchors`` sections is filled at once, so that neighbours in it don't see each other: more
    speed, weaker seams. With 1 anchor (bisect) no section is ever made blind to a finished neighbour.
    """

    def links(count: int) -> list[Link]:
        found = _ends(count)
        gaps = deque([(0, count - 1)])
        while gaps:
            left, right = gaps.popleft()
            gap = right - left - 1
            if gap < 1:
                continue
            chosen = min(anchors, gap)
            middle = [left + step * (gap + 1) // (chosen + 1) for step in range(1, chosen + 1)]
            found += [Link(i, past=left, future=right) for i in middle]
            edges = [left, *middle, right]
            gaps += pairwise(edges)
        return found

    return links


def _ends(count: int) -> list[Link]:
    """The two endpoints, made together; two that touch are made one after the other, so that their seam is seen."""
    if count == 1:
        return [Link(0)]
    return [Link(0), Link(count - 1, past=0 if count == 2 else None)]


ORDERS = {
    order.name: order
    for order in (
        Order("vanilla", "first to last, past context only; drifts", vanilla, needs_future=False),
        Order("inverted", "last to first, as the released model samples", inverted, needs_past=False),
        Order("endpoints", "first and last section, then forward", endpoints, links_leftward=endpoints_leftward),
        Order("bisect", "endpoints, then midpoints recursively: parallel", fanout(1)),
    )
}


_brought: dict[str, Order] = {}
"""Those of plug-ins."""


def is_own(name: str) -> bool:
    """Whether an order of that name comes with the farm."""
    return name in ORDERS or name.startswith(FANOUT) or name == AUTO


def add_order(order: Order) -> None:
    """Make an order of a plug-in known in this process."""
    _brought[order.name] = order


def forget_order(name: str) -> None:
    """Have this process not know a plug-in's order any more."""
    _brought.pop(name, None)


def brought_orders() -> list[Order]:
    """Those of plug-ins."""
    return list(_brought.values())


def order_names() -> list[str]:
    """Names to choose from; ``fanout:k`` stands for every k from 1 to 64."""
    return [*ORDERS, "fanout:k", *_brought]


def find_order(name: str) -> Order:
    """Look up an order such as ``bisect`` or ``fanout:4``, that of a plug-in, or read one that is written out.

    Raises:
        InputError: no such order; suggests the nearest.
    """
    name = name.strip().lower()
    if name in ORDERS:
        return ORDERS[name]
    if name in _brought:
        return _brought[name]
    if "=" in name:
        from .listed import read_order

        return read_order(name)
    match = re.fullmatch(r"fanout(?::(.*))?", name)
    if not match:
        raise unknown_name("order", name, order_names())
    digits = match[1] or ""
    if not re.fullmatch(r"0*[1-9]\d?", digits, re.ASCII) or int(digits) > MAX_FANOUT:
        raise InputError(f"order {name!r}: fanout needs the anchors per gap, 1 to {MAX_FANOUT}, such as fanout:4.")
    anchors = int(digits)
    return Order(f"fanout:{anchors}", f"endpoints, then {anchors} anchors in each gap", fanout(anchors))


def order_text(name: str) -> str:
    """An order as a request has it: its name, or all that is written out; InputError as for ``find_order``."""
    found = find_order(name)
    return name.strip().lower() if "=" in name else found.name


def ancestors(links: list[Link]) -> Iterator[tuple[Link, int]]:
    """Each link with the set of all sections that are finished when it starts, as a bit mask of section indices."""
    finished: dict[int, int] = {}
    for link in links:
        mask = 0
        for parent in (link.past, link.future):
            if parent is not None:
                mask |= finished[parent] | 1 << parent
        finished[link.index] = mask
        yield link, mask
