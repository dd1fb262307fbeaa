"""``farm bench queue`` and ``farm bench dispatch``: that they measure, not how fast this machine is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cluster.bench_dispatch import ORDERS
from farm.cluster.bench_queue import ROUND, fill
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
    assert found["call"]["count"] and found["call"]["median"] > 0


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
