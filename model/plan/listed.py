"""Orders written out: ``NAME=5:0,4,2<0>4,1<0>2,3<2>4`` lists the links of 5 sections in the order of rendering.

``2<0>4`` is section 2, made between the finished sections 0 and 4; ``1<0`` follows 0, ``1>2`` leads to 2. Several
counts are parted by ``;``. What a plug-in's order gave is kept so in a request, which is planned again without it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farm.errors import InputError

from .orders import Link, Order

NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?")
MAX_TEXT = 200_000
_LINK = re.compile(r"(\d{1,4})(?:<(\d{1,4}))?(?:>(\d{1,4}))?")


@dataclass(frozen=True)
class Table:
    """The links of some numbers of sections."""

    name: str
    rows: tuple[tuple[int, tuple[Link, ...]], ...]

    def __call__(self, count: int) -> list[Link]:
        """Of ``count`` sections; InputError when they are not listed."""
        for listed, links in self.rows:
            if listed == count:
                return list(links)
        counts = ", ".join(str(listed) for listed, _ in self.rows)
        raise InputError(
            f"order {self.name!r} lists links for {counts} sections, and this video has {count}; name the order alone, "
            "so that its plug-in is asked again, or choose another."
        )


def list_order(name: str, links: Mapping[int, Sequence[Link]]) -> str:
    """The text of an order whose links are known, by number of sections."""
    rows = (f"{count}:{','.join(map(_text_of, found))}" for count, found in sorted(links.items()))
    return f"{name}={';'.join(rows)}"


def read_order(text: str) -> Order:
    """The order that a text lists.

    Raises:
        InputError: it is not written so, or a section would be made before what it hangs on.
    """
    name, _, listed = text.partition("=")
    if not NAME.fullmatch(name) or len(text) > MAX_TEXT:
        raise InputError(f"order {text[:60]!r} is not written as NAME=3:0,2,1<0>2.")
    rows = []
    for row in listed.split(";"):
        count, _, links = row.partition(":")
        found = [_LINK.fullmatch(link) for link in links.split(",")]
        if not re.fullmatch(r"\d{1,4}", count) or not all(found):
            raise InputError(f"order {name!r}: {row[:60]!r} is not written as 3:0,2,1<0>2.")
        made = tuple(_link(*match.groups()) for match in found if match)
        check_links(name, int(count), made)
        rows.append((int(count), made))
    every = [link for _, made in rows for link in made]
    return Order(
        name,
        "written out",
        Table(name, tuple(rows)),
        needs_past=any(link.past is not None for link in every),
        needs_future=any(link.future is not None for link in every),
    )


def check_links(name: str, count: int, links: Iterable[Link]) -> None:
    """Refuse what is no order of ``count`` sections.

    Raises:
        InputError: a section is missing or there twice, or hangs on one that is not finished, or on the wrong side.
    """
    said = f"order {name!r} of {count} sections"
    finished: set[int] = set()
    for link in links:
        if not 0 <= link.index < count or link.index in finished:
            raise InputError(f"{said}: section {link.index} is there twice, or not from 0 to {count - 1}.")
        for side, other, right in (("past", link.past, -1), ("future", link.future, 1)):
            if other is not None and (other not in finished or (other - link.index) * right <= 0):
                raise InputError(
                    f"{said}: the {side} of section {link.index} is {other}; expected one that stands earlier in the "
                    f"list and lies {'before' if right < 0 else 'after'} it in the video."
                )
        finished.add(link.index)
    if len(finished) != count:
        raise InputError(f"{said}: it lists {len(finished)}.")


def short_name(order: str) -> str:
    """An order for people: without the links that are written out."""
    return order.partition("=")[0]


def _text_of(link: Link) -> str:
    past = "" if link.past is None else f"<{link.past}"
    return f"{link.index}{past}" + ("" if link.future is None else f">{link.future}")


def _link(index: str, past: str | None, future: str | None) -> Link:
    return Link(int(index), None if past is None else int(past), None if future is None else int(future))
