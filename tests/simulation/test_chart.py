"""A simulation as a picture."""

from xml.etree import ElementTree

from farm.simulation.chart import gantt_svg
from farm.simulation.devices import make_seats, parse_devices
from farm.simulation.farm import Span


def test_chart_is_svg_with_a_bar_for_each_span() -> None:
    seats = make_seats(parse_devices("2xh100:1.0"))
    spans = [
        Span(seats[0].id, "j", "j.<a>", 0, 50, 45, "done"),
        Span(seats[1].id, "j", "j.b", 0, 20, 0, "failed"),
        Span("elsewhere", "j", "j.c", 0, 20, 0, "lost"),
    ]
    root = ElementTree.fromstring(gantt_svg("a & b", spans, seats))
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["j.<a> 0-50 s done", "j.b 0-20 s failed"]
