"""`farm plugins check`: every mistake of a plug-in at once, with file and line."""

from pathlib import Path

import pytest

from farm.errors import InputError
from plugins.checking import Report, check, sources_at

EXAMPLE = Path(__file__).parents[2] / "examples" / "prores-plugin"


def checked(target: Path, seconds: float = 60) -> Report:
    [source], paths = sources_at(str(target), target / "none")
    return check(source, paths, seconds)


@pytest.mark.parametrize("target", [EXAMPLE, EXAMPLE / "farm_prores.py"])
def test_the_guides_example_is_fine(target: Path) -> None:
    report = checked(target)
    assert not report.problems and not report.notes
    [done] = report.done
    assert done.startswith("exporter prores passed ")


@pytest.mark.parametrize(
    ("code", "problems"),
    [
        ("import os\nx = 1 +\n", ["mine.py:2: SyntaxError: invalid syntax"]),
        ("def f():\n    return 1 / 0\n\nf()\n", ["mine.py:2: ZeroDivisionError: division by zero"]),
        ("FARM_PLUGIN_API = 1\n", ["it offers nothing"]),
        (
            "from plugins import hookimpl\nFARM_PLUGIN_API = 7\n\n@hookimpl\ndef farm_export(): ...\n\n"
            "def farm_exporters(): ...\n",
            [
                "it was made for plug-in API 7; this farm has 1.",
                "mine.py:4: it implements an unknown hook 'farm_export'",
                "mine.py:7: its function farm_exporters is not marked with @hookimpl.",
            ],
        ),
        ("import os\nos._exit(3)\n", ["importing it ended the process (code 3)"]),
        ("while True: pass\n", ["importing it ended the process (took longer than 4 s)"]),
    ],
)
def test_each_problem_is_told_with_its_place(code: str, problems: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(code)
    found = [str(problem) for problem in checked(tmp_path / "mine.py", 4).problems]
    assert len(found) == len(problems)
    assert all(said.startswith(expected) for said, expected in zip(found, problems, strict=True)), found


def test_an_exporter_is_held_to_its_contract(tmp_path: Path) -> None:
    code = (EXAMPLE / "farm_prores.py").read_text()
    worse = code.replace("written_aside(path) as aside, av.open(str(aside)", "av.open(str(path)")
    assert worse != code
    (tmp_path / "mine.py").write_text(worse.replace("FARM_PLUGIN_API = 1\n", ""))
    report = checked(tmp_path / "mine.py")
    assert any("wrote over the file before" in problem.message for problem in report.problems)
    assert all(problem.where.startswith("mine.py:") for problem in report.problems)
    assert not report.done and "FARM_PLUGIN_API = 1" in report.notes[0]


def test_what_is_no_plug_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    with pytest.raises(InputError, match="names no plug-in"):
        sources_at(str(tmp_path), tmp_path)
    with pytest.raises(InputError, match="unknown plug-in, file or folder 'nothing'"):
        sources_at("nothing", tmp_path)
