"""``farm bench queue`` and ``farm bench dispatch``: that they measure, not how fast this machine is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cluster.bench_dispatch import ORDERS, Span, gaps_of, latencies_of, list_schedule
from farm.cluster.bench_queue import ROUND, fill
from farm.jobs.records import Task, TaskKind
from farm.store.jobs import JobStore

REPLICAS, SECTION = 2, 0.05


def test_queue_times_a_round_beside_the_reference(run, tmp_path: Path) -> None:
    numbers = tmp_path / "queue.json"
    outcome = run("bench", "queue", "--jobs", 20, "--rounds", 3, "--json", numbers)
    assert outcome.code == 0, outcome.err
    assert "ready to start" in outcome.out
    found = json.loads(numbers.read_text())
    assert (found["few"]["jobs"], found["many"]["jobs"], found["bar"]) == (10, 20, 3.0)
    assert found["ratio"] == pytest.approx(found["many"]["round"]["median"] / found["few"]["round"]["median"])
    for figures in (found["few"], found["many"]):
        assert figures["tasks"] == 36 * figures["jobs"]
        assert list(figures["parts"]) == list(ROUND)
        for spread in (*figures["parts"].values(), figures["round"], figures["ready_to_start"]):
            assert spread["count"] == 3 and 0 < spread["median"] <= spread["p99"]
        assert figures["full_read"] > 0 and figures["reconcile"] > 0


def test_copied_jobs_are_as_good_as_the_real_one(database_url: str) -> None:
    fill(database_url, 3)
    store = JobStore(database_url)
    assert store.reconcile() == []
    jobs = store.queued()
    first, *others = [store.tasks(job.id) for job in jobs]
    assert len(others) == 2 and len({task.id for tasks in (first, *others) for task in tasks}) == 3 * len(first)
    for tasks in others:
        assert [(task.name, task.dependencies, task.work) for task in tasks] == [
            (task.name, task.dependencies, task.work) for task in first
        ]
    assert len({task.key for job in jobs for task in store.tasks(job.id)}) == 3 * len(first)
    attempt = store.start_attempt(f"{jobs[2].id}.encode", "r1")
    assert store.commit_attempt(attempt.id, [])
    store.close()


def test_queue_measures_a_schema_of_its_own(run, postgres_server: str) -> None:
    outcome = run("bench", "queue", "--jobs", 11, "--rounds", 1, "--database", postgres_server)
    assert outcome.code == 0, outcome.err
    assert "postgresql" in outcome.out


@pytest.mark.ray
@pytest.mark.slow
def test_dispatch_tells_how_near_the_farm_comes_to_the_bound(tmp_path: Path) -> None:
    """In a process of its own: this one may be connected to a Ray that tests share."""
    numbers = tmp_path / "dispatch.json"
    size = ("--replicas", REPLICAS, "--seconds", 5, "--section", SECTION, "--decode", 0.01)
    command = [sys.executable, "-m", "farm", "bench", "dispatch", *map(str, size), "--json", str(numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(numbers.read_text())
    assert [video["order"] for video in found["videos"]] == list(ORDERS)
    assert (found["replicas"], found["sleeps"]["section"], found["database"]) == (REPLICAS, SECTION, "sqlite")
    assert set(found["bars"]) == {"share", "latency", "gap"}
    for video, ratios in zip(found["videos"], found["ratios"], strict=True):
        assert (video["sections"], video["tasks"]) == (4, 10)
        assert video["ideal"] < video["wall"] and video["ideal"] <= video["alone"]
        assert ratios["share"] == pytest.approx(video["ideal"] / video["wall"])
        assert ratios["speedup"] == pytest.approx(video["alone"] / video["wall"])
    assert [video["bound"] for video in found["videos"]] == [pytest.approx(4 / 3), 2.0, 1.0]
    assert found["latency"]["count"] and found["latency"]["median"] > 0


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["queue", "--jobs", "0"], "jobs"),
        (["queue", "--json", "numbers.txt"], "ends in .json"),
        (["queue", "--database", "sqlite:////tmp/x.sqlite3"], "expected postgresql://"),
        (["queue", "--database", "nonsense"], "expected postgresql://"),
        (["dispatch", "--replicas", "0"], "replicas"),
        (["dispatch", "--json", "numbers.txt"], "ends in .json"),
    ],
)
def test_nonsense_is_refused_in_one_line(run, args: list[str], expected: str) -> None:
    outcome = run("bench", *args)
    assert outcome.code == 2 and expected in outcome.err
    assert "Traceback" not in outcome.err


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
