"""What a person is told of a task that waits."""

import math
from dataclasses import replace

import pytest

from farm.jobs.assets import exporter_asset, lora_asset, model_asset
from farm.jobs.records import TaskKind
from farm.scheduling.codes import Code, Reason
from farm.scheduling.decisions import Wait
from farm.scheduling.machine import Scale
from farm.scheduling.reasons import Facts, Waiting, about, explain, place, queue
from farm.scheduling.view import FarmView, Hold, JobView, Needs, OwnerView, SeatState, SeatView, TaskView

GB = 10**9


def farm(*records: JobView | TaskView | SeatView | OwnerView) -> FarmView:
    view = FarmView()
    for record in sorted(records, key=lambda record: not isinstance(record, OwnerView)):
        match record:
            case JobView():
                view.put_job(record)
            case TaskView():
                view.put_task(record)
            case SeatView():
                view.put_seat(record)
            case OwnerView():
                view.put_owner(record)
    return view


def busy(name: str, job: str, ends: float, **more: object) -> SeatView:
    return replace(SeatView(name, running=Hold(f"{job}.x", job, ends)), **more)  # type: ignore[arg-type]


def told(view: FarmView, task: TaskView | Waiting, facts: Facts = Facts(), now: float = 100.0) -> Reason:
    reason = explain(task, view, now, facts)
    assert reason.text.count("\n") == 0 and len(reason.text) < 160
    return reason


JOB, TASK = JobView("j", "anna", remaining=10), TaskView("j.t", "j")


def test_no_replica_at_all() -> None:
    assert told(farm(JOB, TASK), TASK).code is Code.NO_SEAT


def test_paused_and_what_it_waits_for_come_first() -> None:
    assert told(farm(JOB), Waiting(TASK, paused="disk full.")).text == "Its job is paused: disk full."
    waiting = Waiting(TASK, waits_for=("section-004", "section-006"))
    reason = told(farm(JOB), waiting)
    assert (reason.code, reason.text) == (Code.WAITS_FOR, "It needs what section-004 and section-006 will make.")


def test_many_names_are_cut_short() -> None:
    waiting = Waiting(TASK, waits_for=tuple(f"decode-{n:03}" for n in range(30)))
    assert told(farm(JOB), waiting).text == "It needs what decode-000, decode-001 and 28 others will make."


def test_no_replica_for_the_kind() -> None:
    seat = SeatView("cpu", takes=frozenset({TaskKind.EXPORT}))
    assert told(farm(JOB, TASK, seat), TASK).code is Code.WRONG_KIND


def test_no_node_has_the_weights() -> None:
    mine, other = model_asset("helios", "1f"), model_asset("helios", "2f")
    task = replace(TASK, needs=Needs("helios", assets=frozenset({mine})))
    facts = Facts(hosts={"n1": "studio-1", "n2": "studio-2"})
    lacks, has = SeatView("s", "n1", assets=frozenset()), SeatView("t", "n2", assets=frozenset({mine, other}))
    reason = told(farm(JOB, task, lacks), task, facts)
    assert (reason.code, reason.details["nodes"]) == (Code.NO_MODEL, ["studio-1"])
    assert reason.text == "Node studio-1 has no weights of helios; `farm models push helios studio-1` brings them."
    empty = replace(has, assets=frozenset({model_asset("puppet", "1f")}))
    both = told(farm(JOB, task, lacks, empty), task, facts)
    assert both.text == "No node has the weights of helios; `farm models push helios` brings them."
    reason = told(farm(JOB, task, replace(lacks, assets=frozenset({other}))), task, facts)
    assert reason.text.startswith("Node studio-1 has other weights of helios than this job was sent with.")
    assert reason.details["others"]
    for free in (has, replace(lacks, assets=None)):
        assert told(farm(JOB, task, lacks, free), task, facts).code is Code.NEXT


def test_what_else_a_node_lacks_is_told_by_the_one_that_lacks_least() -> None:
    needed = frozenset({model_asset("puppet", "1f"), lora_asset("Style", "2f")})
    task = replace(TASK, needs=Needs("puppet", assets=needed))
    near, far = (
        SeatView("a", "n1", assets=needed - {lora_asset("style", "2f")}),
        SeatView("b", "n2", assets=frozenset()),
    )
    reason = told(farm(JOB, task, near, far), task)
    assert (reason.code, reason.text) == (
        Code.NO_LORA,
        "No node has the LoRA style; `farm models push style` brings it.",
    )
    export = replace(TASK, kind=TaskKind.EXPORT, needs=Needs(assets=frozenset({exporter_asset("prores", "9.1")})))
    reason = told(farm(JOB, export, near), export, Facts(hosts={"n1": "studio-1"}))
    assert reason.code is Code.NO_PLUGIN and reason.text.startswith(
        "Node studio-1 lacks the job's plug-in of exporter prores"
    )


def test_memory_is_told_in_numbers() -> None:
    task = replace(TASK, needs=Needs(memory=24 * GB))
    reason = told(farm(JOB, task, SeatView("s", memory=12 * GB)), task)
    assert reason.code is Code.NO_MEMORY
    assert reason.text == "No replica has the memory: needs 24 GB, largest free 12 GB."


def test_a_gpu_needs_less_than_a_cpu() -> None:
    task = replace(TASK, needs=Needs(memory=9.1 * GB, host=43 * GB))
    cpu, card = SeatView("c", memory=20 * GB, on_cpu=True), SeatView("g", memory=10 * GB)
    assert told(farm(JOB, task, cpu, card), task).code is Code.NEXT
    assert told(farm(JOB, task, cpu), task).text.endswith("needs 43 GB without a GPU, largest free 20 GB.")
    small = replace(card, memory=6 * GB)
    assert told(farm(JOB, task, cpu, small), task).text.endswith("needs 9.1 GB, largest free 6 GB.")


def test_missing_labels_are_named() -> None:
    task = replace(TASK, needs=Needs(features=frozenset({"studio", "rack-2"})))
    one = SeatView("s", features=frozenset({"rack-2"}))
    reason = told(farm(JOB, task, one), task)
    assert reason.code is Code.NO_FEATURE and reason.details["missing"] == ["studio"]
    assert reason.text.startswith("No node has the label studio. Give one with `farm nodes set NODE --label`")
    other = SeatView("t", features=frozenset({"studio"}))
    assert "No node has the labels rack-2 and studio at once" in told(farm(JOB, task, one, other), task).text


def test_nodes_that_are_closed_are_named() -> None:
    facts = Facts(closed=["studio-1 is outside its hours 22-07"])
    assert told(farm(JOB, TASK), TASK, facts).text == "No replica works now: studio-1 is outside its hours 22-07."


def test_video_that_began_on_a_class_waits_for_it_even_while_others_are_free() -> None:
    job = replace(JOB, device_class="H100")
    other, own = SeatView("cpu"), busy("h", "k", 140, device_class="H100")
    assert told(farm(job, TASK, other), TASK).code is Code.DEVICE_CLASS
    reason = told(farm(job, TASK, other, own), TASK)
    assert reason.code is Code.DEVICE_CLASS and "H100; one is free in about 40 s" in reason.text
    assert told(farm(replace(job, mixing=True), TASK, other, own), TASK).code is Code.NEXT


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([SeatState.STARTING, SeatState.RESTING], Code.STARTING),
        ([SeatState.RESTING, SeatState.DRAINING], Code.RESTING),
        ([SeatState.QUARANTINED], Code.RESTING),
        ([SeatState.DRAINING], Code.DRAINING),
    ],
)
def test_replicas_that_take_nothing_now(states: list[SeatState], code: Code) -> None:
    seats = [SeatView(f"s{n}", state=state) for n, state in enumerate(states)]
    assert told(farm(JOB, TASK, *seats), TASK).code is code


def test_rest_has_an_end_and_a_reason() -> None:
    seats = [SeatView("a", state=SeatState.RESTING), SeatView("b", state=SeatState.QUARANTINED)]
    facts = Facts(until={"a": 160, "b": 112}, troubles={"b": "it failed 3 tasks of 2 jobs in a row"})
    reason = told(farm(JOB, TASK, *seats), TASK, facts)
    assert reason.text == "b is kept from work for about 12 s: it failed 3 tasks of 2 jobs in a row"


def test_failed_task_waits_for_its_time_and_for_another_replica() -> None:
    later = replace(TASK, not_before=130.0)
    assert told(farm(JOB, later, SeatView("s")), later).text == "It failed, and is tried again in about 30 s."
    failed = replace(TASK, failed_on=frozenset({"a"}))
    reason = told(farm(JOB, failed, SeatView("a"), busy("b", "k", 120)), failed)
    assert reason.code is Code.FAILED_BEFORE and "on a and waits for another replica, free in about 20 s" in reason.text
    assert told(farm(JOB, failed, SeatView("a")), failed).code is Code.NEXT


def test_owner_at_the_limit() -> None:
    view = farm(OwnerView("anna", limit=1), JOB, JobView("k", "anna"), TASK, busy("a", "k", 120), SeatView("b"))
    reason = told(view, TASK)
    assert reason.code is Code.LIMIT and "anna may have 1 task at a time" in reason.text


def test_free_replica_means_that_it_is_next() -> None:
    assert told(farm(JOB, TASK, SeatView("s")), TASK).code is Code.NEXT


def test_next_task_is_told_who_is_busy_with_what_and_when_one_is_free() -> None:
    seats = [busy("a", "k", 140), busy("b", "k", 150), busy("c", "l", 160)]
    reason = told(farm(JOB, TASK, *seats), TASK, Facts(names={"k": "Surf", "l": "Rain"}))
    assert reason.code is Code.NEXT
    assert reason.text == (
        "It is next. All 3 that could take it are busy (2 with Surf, 1 with Rain); one is free in about 40 s."
    )


def test_shorter_chains_of_the_same_video_are_not_next() -> None:
    short = replace(TASK, id="j.short", chain=0.5)
    reason = told(farm(JOB, TASK, short, busy("a", "k", 90)), short)
    assert reason.code is Code.NO_SEAT and "one is free in a moment" in reason.text


def test_task_that_waits_for_a_faster_seat_says_so() -> None:
    view = farm(JOB, TASK, SeatView("slow"), busy("fast", "k", 110))
    reason = told(view, TASK, Facts(waits={TASK.id: Wait(TASK.id, "fast", 110)}))
    assert reason.code is Code.NEXT and "fast, free in about 10 s" in reason.text


def test_job_behind_others_of_its_owner() -> None:
    jobs = [JobView(name, "anna", submitted=at, remaining=1) for name, at in (("j", 3), ("k", 1), ("l", 2))]
    reason = told(farm(*jobs, TASK, busy("a", "k", 140)), TASK, Facts(names={"k": "Surf"}))
    assert reason.code is Code.BEHIND
    assert reason.text == "2 jobs are before it, the next is Surf. A higher priority would help."
    assert reason.details == {"before": 2, "next": "k", "place": 3, "of": 3, "busy": 1, "free_in": 40}


def test_owner_who_had_more_than_the_share_lets_another_go_first() -> None:
    view = farm(OwnerView("anna", used=9), OwnerView("ben"), JOB, JobView("k", "ben"), TASK, busy("a", "k", 140))
    reason = told(view, TASK)
    assert (reason.code, reason.text) == (Code.OVER_SHARE, "anna has had more than others; ben goes first.")


def test_queue_turns_from_owner_to_owner_and_keeps_each_ones_order() -> None:
    jobs = [JobView(f"a{n}", "anna", submitted=n, remaining=10) for n in range(3)]
    view = farm(*jobs, JobView("b0", "ben", submitted=50, remaining=10), JobView("b1", "ben", priority=9, remaining=10))
    assert list(queue(view)) == ["a0", "b1", "a1", "b0", "a2"]
    assert [place(view, name) for name in ("a0", "b0", "a2")] == [(1, 5), (4, 5), (5, 5)]
    assert place(view, "unknown") == (6, 5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "a moment"), (40, "about 40 s"), (200, "about 3 min"), (9000, "about 2 h"), (math.inf, "an unknown time")],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert about(seconds) == text


def test_what_is_missing_may_be_on_its_way() -> None:
    facts = Facts(coming=Scale.parse("0:2,gpu=1,memory=24"))
    large = replace(TASK, needs=Needs("x", 20 * GB))
    small = SeatView("s", memory=8 * GB)
    drained = replace(small, memory=24 * GB, state=SeatState.DRAINING)
    for view in (farm(JOB, large), farm(JOB, large, small), farm(JOB, large, drained)):
        reason = told(view, large, facts)
        assert (reason.code, reason.text) == (Code.STARTING, "It waits for a machine to start.")
        assert reason.details["why"]
    larger = replace(TASK, needs=Needs("x", 80 * GB))
    assert told(farm(JOB, larger, small), larger, facts).code is Code.NO_MEMORY
    ready = farm(JOB, large, replace(small, memory=24 * GB))
    assert told(ready, large, facts).code is Code.NEXT
