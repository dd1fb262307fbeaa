"""``farm bench replicas`` and ``farm bench mixed``: that they measure, not how fast this machine is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cluster.bench_mixed import RATIO_BAR
from farm.cluster.bench_replicas import FEW, ROUND_BAR, ROWS_BAR


@pytest.mark.slow
def test_replicas_counts_rounds_and_rows_beside_the_reference(run, tmp_path: Path, postgres_server: str) -> None:
    numbers = tmp_path / "replicas.json"
    size = ("--replicas", 40, "--changes", 20, "--seconds", 2)
    outcome = run("bench", "replicas", *size, "--database", postgres_server, "--json", numbers)
    assert outcome.code == 0, outcome.err
    assert "at work" in outcome.out and "postgresql" in outcome.out
    found = json.loads(numbers.read_text())
    assert (found["few"]["replicas"], found["many"]["replicas"]) == (FEW, 40)
    assert found["bars"] == [ROUND_BAR, ROWS_BAR]
    for figures in (found["few"], found["many"]):
        assert figures["idle"]["ends"] == 0 and figures["work"]["ends"] > 0
        assert figures["work"]["rows"] > figures["idle"]["rows"]
        assert sum(figures["work"]["written"].values()) == pytest.approx(figures["work"]["rows"])
        assert {"update attempts", "insert artifacts"} <= figures["work"]["written"].keys()
        for window in ("idle", "start", "work"):
            rounds = figures[window]["rounds"]
            assert rounds["count"] and 0 < rounds["median"] <= rounds["p99"]
    few, many = (found[name]["work"]["rows"] / found[name]["work"]["ends"] for name in ("few", "many"))
    assert found["ratio"] == pytest.approx(many / few)


@pytest.mark.ray
@pytest.mark.soak
def test_mixed_is_measured_beside_the_simulator(tmp_path: Path) -> None:
    """In a process of its own: this one may be connected to a Ray that tests share."""
    numbers = tmp_path / "mixed.json"
    size = ("--speeds", "1,0.5", "--jobs", "2", "--seconds", "5", "--section", "0.1", "--decode", "0.01")
    command = [sys.executable, "-m", "farm", "bench", "mixed", *size, "--json", str(numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(numbers.read_text())
    assert (found["speeds"], found["jobs"], found["tasks"], found["bar"]) == ([1.0, 0.5], 2, 20, RATIO_BAR)
    assert sum(found["sections"]) == 8 and all(found["sections"])
    assert found["bound"] <= found["simulated"] < found["wall"]
    assert found["ratio"] == pytest.approx(found["wall"] / found["simulated"])


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["replicas", "--replicas", "0"], "replicas"),
        (["replicas", "--database", "nonsense"], "expected postgresql://"),
        (["replicas", "--json", "numbers.txt"], "ends in .json"),
        (["mixed", "--speeds", "fast"], "expected up to 16 numbers"),
        (["mixed", "--speeds", "1,0"], "expected up to 16 numbers"),
        (["mixed", "--json", "numbers.txt"], "ends in .json"),
    ],
)
def test_nonsense_is_refused_in_one_line(run, args: list[str], expected: str) -> None:
    outcome = run("bench", *args)
    assert outcome.code == 2 and expected in outcome.err
    assert "Traceback" not in outcome.err
