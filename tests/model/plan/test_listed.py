"""Orders that are written out: read back as they were, and refused where they are none."""

import pytest

from farm.errors import InputError
from model.plan import find_order, make_plan
from model.plan.listed import check_links, list_order, read_order, short_name
from model.plan.orders import ORDERS, Link

LAYOUT = "f1k1_x_f16k4f2k2f1k1_x_g9_x_f1k1f2k2f16k4"


@pytest.mark.parametrize("name", ["vanilla", "inverted", "endpoints", "bisect", "fanout:4"])
def test_what_is_written_out_is_the_same_video(name: str) -> None:
    order = find_order(name)
    text = list_order("mine", {count: order.links(count) for count in (1, 12)})

    def plan(named: str):
        return make_plan(layout=LAYOUT, order=named, seconds=14.4, seed=3, prompt="a puppet waves")

    assert plan(text).sections == plan(name).sections and plan(text).order == "mine"
    assert short_name(text) == "mine" and short_name(name) == name


def test_sides_that_nothing_hangs_on_are_not_needed() -> None:
    assert read_order("a=3:0,1<0,2<1").needs_future is False
    assert read_order("a=3:2,1>2,0>1").needs_past is False


def test_every_order_of_the_farm_is_one() -> None:
    for order in [*ORDERS.values(), find_order("fanout:3")]:
        for count in range(1, 40):
            check_links(order.name, count, order.links(count))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=", "is not written as"),
        ("a=3", "is not written as"),
        ("a=3:0,1<0,x", "is not written as"),
        ("A b=1:0", "is not written as"),
        ("a=3:0,1<0", "it lists 2"),
        ("a=2:0,0", "section 0 is there twice"),
        ("a=2:0,5<0", "not from 0 to 1"),
        ("a=3:0,1<2,2<0", "the past of section 1 is 2"),
        ("a=3:2,1<0,0", "the past of section 1 is 0"),
        ("a=3:0,2<0,1>0", "the future of section 1 is 0"),
    ],
)
def test_what_is_no_order_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_order(text.lower() if "A" not in text else text)


def test_other_lengths_are_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match=r"lists links for 3, 5 sections, and this video has 4; name the order alone"):
        read_order("a=3:0,1<0,2<1;5:0,1<0,2<1,3<2,4<3").links(4)


def test_links_are_checked_as_a_plug_in_gives_them() -> None:
    with pytest.raises(InputError, match="there twice"):
        check_links("mine", 2, [Link(0), Link(0)])
