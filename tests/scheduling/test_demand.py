"""How many machines the queue is worth, and which may go."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.jobs.records import TaskKind
from farm.scheduling.demand import ARRIVE_SECONDS, GROW_SECONDS, HOLD_SECONDS, HORIZON, Memory, plan
from farm.scheduling.lanes import Lane
from farm.scheduling.machine import Scale
from farm.scheduling.records import Hold, JobView, Needs, OwnerView, SeatState, SeatView, TaskView
from farm.scheduling.view import FarmView

GB = 10**9
SCALE = Scale(0, 8, gpus=1, memory=24 * GB, idle_seconds=300)
SPEED = 10.0
FULL = HORIZON * SPEED
"""Units that one seat does in the time in which another machine would not be worth it."""


def queue(count: int, work: float = FULL, *, since: float = 0.0, **more: object) -> list[JobView | TaskView]:
    tasks = [TaskView(f"j.{n}", "j", work=work, since=since, **more) for n in range(count)]  # type: ignore[arg-type]
    return [JobView("j", remaining=count * work), *tasks]


def card(node: str, *, busy: bool = False, **more: object) -> SeatView:
    hold = Hold("x.t", "x", 1e6) if busy else None
    return replace(SeatView(f"{node}/cuda-0", node, "L40S", SPEED, 24 * GB, running=hold), **more)  # type: ignore[arg-type]


def farm(*records: JobView | TaskView | SeatView | OwnerView) -> FarmView:
    view = FarmView()
    for record in records:
        match record:
            case OwnerView():
                view.put_owner(record)
            case JobView():
                view.put_job(record)
            case TaskView():
                view.put_task(record)
            case SeatView():
                view.put_seat(record)
    return view


def look(view: FarmView, now: float, nodes: list[str], memory: Memory = Memory(), scale: Scale = SCALE):
    return plan(view, now, scale, nodes, memory, SPEED)


def test_nothing_to_do_wants_nothing() -> None:
    assert look(farm(), 0, []).target == 0
    assert look(farm(), 0, [], scale=replace(SCALE, least=2)).target == 2


def test_what_no_seat_can_take_asks_at_once() -> None:
    found = look(farm(*queue(1, work=1, since=100)), 100, [])
    assert (found.target, found.coming) == (1, 1)


def test_many_sections_ask_for_as_many_machines_as_they_are_worth_and_no_more_than_may_be() -> None:
    assert look(farm(*queue(3)), 0, []).target == 3
    assert look(farm(*queue(30)), 0, []).target == 8
    assert look(farm(*queue(30, work=1)), 0, []).target == 1
    assert look(farm(*queue(8)), 0, [], scale=replace(SCALE, gpus=4)).target == 2


def test_what_the_present_seats_get_to_soon_asks_for_none() -> None:
    view = farm(card("a", busy=True), *queue(10, work=FULL / 10))
    assert look(view, 60, ["a"]).target == 1
    view = farm(card("a", busy=True), *queue(10))
    assert look(view, GROW_SECONDS / 2, ["a"]).target == 1, "it has only just come"
    assert look(view, 60, ["a"]).target == 8


def test_a_machine_that_could_not_take_it_is_not_asked_for() -> None:
    for needs in (Needs("x", 80 * GB), Needs("x", features=frozenset(["studio"]))):
        assert look(farm(*queue(4, needs=needs)), 60, []).target == 0
    labelled = replace(SCALE, labels=frozenset(["studio"]))
    view = farm(*queue(4, needs=Needs("x", features=frozenset(["studio"]))))
    assert look(view, 60, [], scale=labelled).target == 4


def test_a_video_that_began_on_cpus_wants_no_card_and_one_of_a_card_no_cpus() -> None:
    cpus = Scale(0, 4, gpus=0, cores=4)
    lane = Lane(TaskKind.SECTION, Needs(), "CPU")
    assert not SCALE.takes(lane) and cpus.takes(lane)
    lane = replace(lane, device_class="L40S")
    assert SCALE.takes(lane) and not cpus.takes(lane)


def test_an_owner_at_the_limit_wants_no_machine() -> None:
    job = JobView("j", "ann", remaining=5)
    view = farm(OwnerView("ann", limit=0), job, TaskView("j.t", "j"))
    assert look(view, 60, []).target == 0


def test_a_machine_on_its_way_is_not_asked_for_twice() -> None:
    view = farm(*queue(2))
    first = look(view, 60, [])
    again = look(view, 62, [], first.memory)
    assert (again.target, again.coming) == (2, 2)
    came = look(view, 64, ["a"], again.memory)
    assert (came.target, came.coming) == (2, 1), "the one that came has no replica yet"
    view.put_seat(card("a", state=SeatState.STARTING))
    assert look(view, 66, ["a"], came.memory).target == 2


def test_a_node_goes_when_it_was_idle_for_long_the_longest_idle_first() -> None:
    view = farm(card("a"), card("b"), card("c", busy=True))
    nodes = ["a", "b", "c"]
    found = look(view, 0, nodes)
    assert (found.target, found.spare) == (3, frozenset())
    found = look(view, 299, nodes, found.memory)
    assert found.spare == frozenset()
    found = look(view, 301, nodes, found.memory)
    assert (found.target, found.spare) == (1, {"a", "b"})
    found = look(view, 301, nodes, Memory({"a": 100.0, "b": 0.0, "c": 0.0}), replace(SCALE, least=2, idle_seconds=150))
    assert (found.target, found.spare) == (2, {"b"})


def test_work_calls_a_node_back_that_was_to_go_before_it_starts_another() -> None:
    nodes, memory = ["a", "b"], Memory({"a": 0.0, "b": 0.0}, frozenset(["a", "b"]), 0, -1e9)
    view = farm(*queue(1))
    found = look(view, 1000, nodes, memory)
    assert (found.target, found.coming, len(found.spare)) == (1, 0, 1)
    again = look(view, 1002, nodes, found.memory)
    assert (again.target, again.spare) == (1, found.spare), "its replica is about to start"


def test_what_was_asked_for_stays_for_a_while() -> None:
    asked = look(farm(*queue(4)), 60, [])
    assert look(farm(), 62, [], asked.memory).target == 4
    assert look(farm(), 61 + HOLD_SECONDS, [], asked.memory).target == 0


@st.composite
def situations(draw: st.DrawFn):
    nodes = [f"n{n}" for n in range(draw(st.integers(0, 6)))]
    busy = {node for node in nodes if draw(st.booleans())}
    states = {node: draw(st.sampled_from(sorted(SeatState))) for node in nodes}
    least = draw(st.integers(0, 3))
    scale = replace(SCALE, least=least, most=draw(st.integers(max(1, least), 9)), idle_seconds=draw(st.floats(0, 600)))
    tasks = draw(st.lists(st.tuples(st.floats(0.1, 5000), st.floats(0, 1000), st.sampled_from([0.0, 8e9, 8e10]))))
    records = [TaskView(f"j.{n}", "j", work=w, since=s, needs=Needs("f", m)) for n, (w, s, m) in enumerate(tasks)]
    seats = [card(node, busy=node in busy, state=states[node]) for node in nodes if draw(st.booleans()) or node in busy]
    memory = Memory(
        {node: draw(st.floats(0, 1000)) for node in nodes},
        frozenset(node for node in nodes if draw(st.booleans())),
        draw(st.integers(0, 9)),
        draw(st.floats(0, 1000)),
    )
    return [JobView("j", remaining=1.0), *records, *seats], nodes, busy, scale, memory


@given(situations())
def test_bounds_hold_and_nobody_at_work_goes(situation) -> None:
    records, nodes, busy, scale, memory = situation
    found = look(farm(*records), 1000, nodes, memory, scale)
    assert scale.least <= found.target <= scale.most
    assert found.spare <= set(nodes) - busy
    assert len(nodes) - len(found.spare) >= min(found.target, len(nodes))
    assert found.coming == max(0, found.target - len(nodes))


@given(situations(), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_records(situation, random) -> None:
    records, nodes, _, scale, memory = situation
    shuffled, others = list(records), list(nodes)
    random.shuffle(shuffled)
    random.shuffle(others)
    assert look(farm(*records), 1000, nodes, memory, scale) == look(farm(*shuffled), 1000, others, memory, scale)


@given(situations(), st.integers(1, 20))
def test_more_to_do_never_asks_for_less(situation, more: int) -> None:
    records, nodes, _, scale, memory = situation
    added = [TaskView(f"j.more-{n}", "j", work=FULL, needs=Needs("f", 8e9)) for n in range(more)]
    before = look(farm(*records), 1000, nodes, memory, scale).target
    assert look(farm(*records, *added), 1000, nodes, memory, scale).target >= before


@given(situations())
def test_looking_again_a_moment_later_changes_nothing(situation) -> None:
    records, nodes, _, scale, memory = situation
    view = farm(*records)
    found = look(view, 5000 + ARRIVE_SECONDS, nodes, memory, scale)
    again = look(view, 5000 + ARRIVE_SECONDS, nodes, found.memory, scale)
    assert again.target <= max(found.target, len(nodes))
    assert again.spare >= found.spare or again.target > found.target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:8", Scale(0, 8)),
        ("1:4, cpu=16, idle=10", Scale(1, 4, gpus=0, cores=16, idle_seconds=600)),
        ("0:2,gpu=8,memory=80,label=studio,label=rack-2",
         Scale(0, 2, gpus=8, memory=80 * GB, labels=frozenset(["studio", "rack-2"]))),
        ("0:2,gpu=1,cpu=8", Scale(0, 2, gpus=1, cores=8)),
    ],
)  # fmt: skip
def test_text_of_the_option(text: str, expected: Scale) -> None:
    assert Scale.parse(text) == replace(expected, text=text)


NONE = [
    "",
    "8",
    "8:0",
    "0:0",
    "a:b",
    "0:8,gpu",
    "0:8,gpu=x",
    "0:8,gpu=0",
    "0:8,x=1",
    "0:99999",
    "0:8,memory=nan",
    "0:8,idle=-1",
]


@pytest.mark.parametrize("text", NONE)
def test_text_that_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        Scale.parse(text)


def test_bundles_are_whole_machines() -> None:
    assert Scale.parse("0:8,gpu=4,cpu=32").bundle == {"GPU": 4}
    assert Scale.parse("0:8,cpu=16").bundle == {"CPU": 16}
    assert math.isinf(Scale.parse("0:8").memory)
