"""``farm simulate``."""

import json
from pathlib import Path

import pytest

DEVICES = "4xh100:1.0,4x4090:0.6"


def test_a_run_prints_its_numbers_and_that_nothing_broke(run) -> None:
    outcome = run("simulate", "--devices", DEVICES, "--jobs", 8, "--faults", "sick,node-hourly")
    assert outcome.code == 0
    assert "makespan" in outcome.out and "nothing lost, done twice, left over or starved" in outcome.out


def test_all_policies_side_by_side_with_files(run, tmp_path: Path) -> None:
    picture, numbers = tmp_path / "run.svg", tmp_path / "run.json"
    files = ("--picture", picture, "--json", numbers)
    outcome = run("simulate", "--devices", DEVICES, "--jobs", 6, "--compare", *files)
    assert outcome.code == 0
    found = json.loads(numbers.read_text())
    names = [one["policy"] for one in found["reports"]]
    assert names[0] == "farm" and {"fifo", "earliest-finish", "two-sided", "upward-rank"} < set(names)
    assert all(name in outcome.out for name in names)
    assert found["setting"]["devices"] == DEVICES
    assert picture.read_text().startswith("<svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "run.svg"]


def test_owners_shares_are_told(run) -> None:
    outcome = run("simulate", "--devices", DEVICES, "--workload", "weights", "--jobs", 60)
    assert "owners' shares over what is fair: one" in outcome.out and "newcomer's short job" in outcome.out


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--devices", "4"], "<count>x<class>:<speed>"),
        (["--workload", "chian"], "Did you mean 'chains'"),
        (["--policy", "frm"], "Did you mean 'farm'"),
        (["--faults", "blackout,sik"], "Did you mean 'sick'"),
        (["--jobs", "0"], "jobs"),
        (["--picture", "run.png"], "ends in .svg"),
        (["--json", "run.txt"], "ends in .json"),
    ],
)
def test_nonsense_is_refused_in_one_line(run, args: list[str], expected: str) -> None:
    outcome = run("simulate", "--jobs", 2, *args)
    assert outcome.code == 2 and expected in outcome.err
    assert "Traceback" not in outcome.err


def test_file_that_can_not_be_written_is_an_error(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = run("simulate", "--devices", DEVICES, "--jobs", 2, "--json", tmp_path / "file" / "run.json")
    assert outcome.code == 1 and "can't write" in outcome.err
