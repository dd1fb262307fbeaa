"""``farm bench stream``: that it measures, not how fast this machine is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cluster.bench_stream import SHARE_BAR


@pytest.mark.ray
@pytest.mark.slow
def test_stream_tells_how_much_of_the_time_a_quick_model_renders(tmp_path: Path) -> None:
    """In a process of its own: this one may be connected to a Ray that tests share."""
    numbers = tmp_path / "stream.json"
    size = ("--seconds", "6", "--section", "0.3", "--decode", "0.02", "--height", "64", "--width", "64")
    command = [sys.executable, "-m", "farm", "bench", "stream", *size, "--json", str(numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    found = json.loads(numbers.read_text())
    assert (found["sections"], found["replicas"], found["size"], found["bar"]) == (5, 2, [64, 64], SHARE_BAR)
    assert [sum(counts) for counts in zip(*found["places"].values(), strict=True)] == [5, 5]
    assert found["share"] == pytest.approx(5 * 0.3 / (5 * 0.3 + found["idle"]))
    assert 0 < found["writing"]["median"] <= found["pauses"]["p99"] + 1 and found["pauses"]["count"] == 4
    assert found["lag"]["count"] == 5 and found["lag"]["median"] >= 20 and 0 <= found["beside"] <= 1


def test_nonsense_is_refused_in_one_line(run) -> None:
    outcome = run("bench", "stream", "--height", "10")
    assert outcome.code == 2 and "height" in outcome.err and "Traceback" not in outcome.err
