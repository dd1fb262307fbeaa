"""Orders that plug-ins bring: asked for their links in a process of their own, when a job is queued."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from farm.errors import InputError, PluginError
from model.plan.listed import NAME, check_links
from model.plan.orders import Link, Order, add_order, is_own

from .asking import ask
from .places import place_of
from .sources import Source

TRIED = (1, 2, 3, 8)
"""Numbers of sections that every order is asked for before it is offered."""


class OrderFacts(BaseModel):
    """An order without the function that gives its links."""

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    needs_past: bool
    needs_future: bool


def facts_of_order(order: Order) -> OrderFacts:
    """What it says of itself."""
    return OrderFacts.model_validate({name: getattr(order, name) for name in OrderFacts.model_fields})


def check_order(order: Any) -> None:
    """PluginError when it is no order, or gives no legal links for a few sections."""
    if not isinstance(order, Order):
        raise PluginError(f"farm_orders gave {order!r}; expected model.plan.orders.Order.", place_of(order))
    if not isinstance(order.name, str) or not NAME.fullmatch(order.name) or is_own(order.name):
        said = f"order {order.name!r}: expected a name of a-z, 0-9, _, . and - that no order of the farm has."
        raise PluginError(said, place_of(order.links))
    for count in TRIED:
        try:
            check_links(order.name, count, order.links(count))
        except InputError as error:
            raise PluginError(str(error), place_of(order.links)) from None


def make_orders_known(source: Source, orders: Iterable[OrderFacts]) -> None:
    """Have this process know the orders of a plug-in, whose code it does not import."""
    for facts in orders:
        add_order(Order(**dict(facts), links=partial(links_of, source, facts.name)))


def links_of(source: Source, name: str, count: int) -> list[Link]:
    """What a plug-in's order gives for ``count`` sections; InputError when that is nothing legal."""
    try:
        links = [Link(*each) for each in ask(source, "links", order=name, count=count)]
    except PluginError as error:
        raise InputError(f"order {name!r}: plug-in {source.name}: {error}") from None
    check_links(name, count, links)
    return links
