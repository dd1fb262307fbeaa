"""``farm bench gpu`` on a CPU: parts come in order, have limits, and keep what they found."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.cli.app import main
from farm.errors import InputError
from model.bench.gpu import plans, speed
from model.bench.gpu.run import Emit, Row, Setup, bench_gpu, run_part
from tests.support.machine import here


@pytest.mark.parametrize(
    ("name", "seconds", "problem"),
    [
        ("slow", 15.0, "ended after its 15 s"),
        ("broken", 60.0, "RuntimeError: no such kernel"),
        ("dying", 60.0, "its process ended with 9"),
    ],
)
def test_trouble_of_a_part_is_its_own(name: str, seconds: float, problem: str) -> None:
    rows: list[Row] = []
    run_part("x", f"tests.support.parts:{name}", Setup("tiny", "cpu", here(), seconds), rows.append)
    assert rows == [{"part": "x", "name": "before"}, {"part": "x", "problem": problem}]


def found(run: Callable[[Setup, Emit], None]) -> dict[str, Row]:
    rows: list[Row] = []
    run(Setup("tiny", "cpu", here(), 60), rows.append)
    return {str(row.get("name")): row for row in rows}


def test_speed_is_measured_beside_diffusers_class_with_the_same_weights() -> None:
    rows = found(speed.run)
    assert rows["ours"]["relative_error"] == 0 and rows["official arrangement"]["relative_error"] == 0
    assert 0 < rows["ours, native, fp8 products"]["relative_error"] < 0.1
    assert "flash" in rows["ours, flash"]["problem"].lower()
    assert rows["ours"]["ratio"] > 0 and rows["ours"]["frame_s"] == pytest.approx(rows["ours"]["section_s"] / 36)


def test_every_memory_plan_is_measured() -> None:
    rows = found(plans.run)
    assert list(rows) == ["transformer", "hot", "streamed", "fp8", "streamed-fp8"]
    assert not [row for row in rows.values() if "problem" in row]


def test_the_command_shows_rows_and_keeps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gpu.json"
    options = ["--device", "cpu", "--config", "tiny", "--minutes", "2", "--parts", "helios"]
    assert main(["bench", "gpu", *options, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert [row.get("name") for row in report["rows"]] == ["stage 0", "stage 1", "stage 2", None]
    assert report["rows"][2]["step_s"] > 0 and report["size"] == "tiny"
    assert report["rows"][2]["relative_error"] == 0
    shown = capsys.readouterr()
    assert "stage 2" in shown.out and "part=helios" in shown.err


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="speed"):
        bench_gpu("cpu", here(), "tiny", 1, ["sped"], None, lambda row: None)
    with pytest.raises(InputError, match="small"):
        bench_gpu("cpu", here(), "smal", 1, ["speed"], None, lambda row: None)
