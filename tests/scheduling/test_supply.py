"""Which seats at work are told what they do next."""

from farm.jobs.records import TaskKind
from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.scheduling.view import FarmView, Hold, JobView, OwnerView, SeatView, TaskView

NOW = 100.0


def told(*others: SeatView, brings: float) -> list[tuple[str, str]]:
    """What is started of a decoding while a seat renders a section of its video, which brings a chain of work."""
    section = TaskView("section", "video", TaskKind.SECTION, work=1.0, chain=1.0 + brings)
    view = FarmView()
    view.put_owner(OwnerView("ann"))
    view.put_job(JobView("video", owner="ann", remaining=10.0))
    view.put_task(TaskView("decoding", "video", TaskKind.DECODE, work=0.2, chain=0.5))
    view.put_seat(SeatView("render", running=Hold("section", "video", NOW + 0.3, section)))
    for seat in others:
        view.put_seat(seat)
    return [(start.task_id, start.seat_id) for start in decide(view, NOW, SizeCosts(load=0.0, move=0.0)).starts]


def test_who_renders_a_chain_decodes_nothing_that_another_can() -> None:
    other = SeatView("other", running=Hold("decoding-0", "video", NOW + 60, None))
    assert told(other, brings=5.0) == []
    assert told(SeatView("other"), brings=5.0) == [("decoding", "other")]


def test_who_is_alone_or_at_its_last_section_decodes_next() -> None:
    other = SeatView("other", running=Hold("decoding-0", "video", NOW + 60, None))
    exports = SeatView("exports", takes=frozenset({TaskKind.EXPORT}))
    assert told(brings=5.0) == told(exports, brings=5.0) == [("decoding", "render")]
    assert told(other, brings=0.3) == [("decoding", "render")]
