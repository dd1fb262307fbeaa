"""What times of tasks tell of the farm itself."""

import pytest

from farm.cluster.spans import Span, gaps_of, latencies_of, list_schedule
from farm.jobs.records import Task, TaskKind


def task(name: str, *needs: str) -> Task:
    return Task(f"j.{name}", "j", name, TaskKind.SECTION, None, needs)


def test_schedule_that_costs_nothing() -> None:
    tasks = [task("a"), task("b", "a"), task("c", "a"), task("d", "a"), task("e", "b", "c", "d")]
    took = {"a": 1.0, "b": 2.0, "c": 1.0, "d": 1.0, "e": 1.0}
    assert [list_schedule(tasks, took, replicas) for replicas in (1, 2, 3, 8)] == [6.0, 4.0, 4.0, 4.0]


def test_latency_counts_where_a_replica_was_free_and_gaps_where_work_was_waiting() -> None:
    spans = [
        Span("a", "r1", ready=0.0, began=0.1, ended=1.0),
        Span("b", "r1", ready=1.2, began=1.25, ended=2.0),  # both replicas are free for b and c; d finds none
        Span("c", "r2", ready=1.2, began=1.3, ended=2.5),
        Span("d", "r1", ready=1.2, began=2.01, ended=3.0),  # it waited for r1 to end b
    ]
    assert latencies_of(spans, 2) == pytest.approx([100, 50, 100])
    assert gaps_of(spans) == pytest.approx([10])


def test_who_begins_while_its_input_is_still_being_written_waits_less_than_nothing() -> None:
    spans = [Span("a", "r1", 0.0, 0.0, 1.0), Span("b", "r1", 1.02, 1.01, 2.0), Span("c", "r2", 1.02, 1.03, 2.0)]
    assert latencies_of(spans, 2) == pytest.approx([0, -10, 10])
