"""``farm bench gpu`` on a CPU: parts come in order, have limits, and keep what they found."""

import json
import os
import time
from pathlib import Path

import pytest

from farm.cli.app import main
from farm.errors import InputError
from model.bench.gpu.run import Emit, Row, Setup, bench_gpu, run_part

HERE = "tests.model.bench.test_gpu"


def slow(setup: Setup, emit: Emit) -> None:
    emit({"name": "before"})
    time.sleep(600)


def broken(setup: Setup, emit: Emit) -> None:
    emit({"name": "before"})
    raise RuntimeError("no such kernel\nand more")


def dying(setup: Setup, emit: Emit) -> None:
    emit({"name": "before"})
    os._exit(9)


@pytest.mark.parametrize(
    ("name", "seconds", "problem"),
    [
        ("slow", 25.0, "ended after its 25 s"),
        ("broken", 60.0, "RuntimeError: no such kernel"),
        ("dying", 60.0, "its process ended with 9"),
    ],
)
def test_trouble_of_a_part_is_its_own(name: str, seconds: float, problem: str) -> None:
    rows: list[Row] = []
    run_part("x", f"{HERE}:{name}", Setup("tiny", "cpu", seconds), rows.append)
    assert rows == [{"part": "x", "name": "before"}, {"part": "x", "problem": problem}]


def test_parts_run_without_a_card_and_results_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gpu.json"
    options = ["--device", "cpu", "--config", "tiny", "--minutes", "6", "--parts", "speed,plans,helios"]
    assert main(["bench", "gpu", *options, "--json", str(file)]) == 0
    rows = {(row["part"], row.get("name")): row for row in json.loads(file.read_text())["rows"]}
    assert rows["speed", "ours"]["relative_error"] == 0 and rows["speed", "official arrangement"]["relative_error"] == 0
    assert 0 < rows["speed", "ours, native, fp8 products"]["relative_error"] < 0.1
    assert {name for part, name in rows if part == "plans"} >= {"transformer", "hot", "streamed", "fp8", "streamed-fp8"}
    assert [row for row in rows.values() if "problem" in row and row["part"] != "speed"] == []
    assert rows["helios", "stage 2"]["step_s"] > 0
    shown = capsys.readouterr()
    assert "streamed-fp8" in shown.out and "part=helios" in shown.err


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="speed"):
        bench_gpu("cpu", "tiny", 1, ["sped"], None, lambda row: None)
    with pytest.raises(InputError, match="small"):
        bench_gpu("cpu", "smal", 1, ["speed"], None, lambda row: None)
