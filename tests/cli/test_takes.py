"""fork and redo over a real server, with a job that was rendered in this process."""

import json

import pytest

from farm.cli.takes import parse_sections
from farm.errors import InputError
from farm.jobs.records import JobState
from farm.store.reuse import REUSED
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, picture


@pytest.fixture(scope="module")
def job(served: LiveFarm) -> str:
    """A completed job of four sections."""
    fields = {"prompt": "The puppet waves", "total_second_length": 5, "steps": 1, "seed": 5, "order": "vanilla"}
    with served.client() as client:
        job_id = str(client.submit(picture(), {**fields, "name": "Waves"})["id"])
    done = render_in_process(served.store, served.artifacts, job_id, settings=served.settings)
    assert done.state is JobState.COMPLETED
    return job_id


def worked(farm: LiveFarm, job_id: str) -> set[str]:
    return {a.task_id.partition(".")[2] for a in farm.store.attempts(job_id) if a.replica != REUSED}


def test_redo_and_show_the_tree(run, farm: LiveFarm, job: str) -> None:
    outcome = run("redo", job, "--sections", "3", "--seed", "9")
    assert outcome.code == 0, outcome.err
    assert f"keeps 3 sections of {job[:8]}" in outcome.err
    take = outcome.out.strip()
    done = render_in_process(farm.store, farm.artifacts, take, settings=farm.settings)
    assert done.state is JobState.COMPLETED and worked(farm, take) >= {"section-003", "decode-003", "export"}
    assert not {"section-000", "section-001", "section-002"} & worked(farm, take)
    shown = run("show", take).out
    assert f"{job}, with its sections 0-2" in shown and "reused" in shown
    assert f"{take[:8]} (completed)" in run("show", job).out


def test_fork_with_another_prompt(run, farm: LiveFarm, job: str) -> None:
    outcome = run("fork", job[:8], "--from-section", "2", "-p", "The puppet bows", "--name", "Bow", "--json")
    take = json.loads(outcome.out)
    assert take["parent"] == job and take["kept"] == [0, 1] and take["name"] == "Bow"
    assert take["request"]["prompt"] == "The puppet bows" and take["request"]["steps"] == 1


def test_promote_renders_drafts_in_full(run, farm: LiveFarm, tmp_path) -> None:
    (tmp_path / "x.png").write_bytes(picture())
    outcome = run("submit", str(tmp_path / "x.png"), "-p", "The puppet waves", "--steps", "10", "--draft")
    assert "a draft, with steps 4 instead of 10" in outcome.err
    draft = outcome.out.strip()
    made = json.loads(run("promote", draft[:8], "--json").out)[0]
    assert (made["parent"], made["draft"], made["request"]["steps"]) == (draft, False, 10)
    assert farm.store.get_job(draft).request.seed == made["request"]["seed"]
    assert "no draft" in run("promote", made["id"]).err


def test_export_writes_other_files_of_the_same_video(run, farm: LiveFarm, job: str) -> None:
    outcome = run("export", job[:8], "webm:crf=50,output_fps=10", "srt")
    assert outcome.code == 0, outcome.err
    made = outcome.out.strip()
    done = render_in_process(farm.store, farm.artifacts, made, settings=farm.settings)
    assert done.state is JobState.COMPLETED and worked(farm, made) == {"export", "export-1"}
    shown = run("show", made).out
    assert f"{job}, with its sections 0-3" in shown and "video-1" in shown and "manifest-1" in shown
    assert f"{made[:8]} (completed)" in run("show", job).out
    with farm.client() as client:
        detail = client.job(made)
        files = {file["name"]: file["filename"] for file in detail["artifacts"]}
        assert files["video"] == f"waves-{made[:8]}.webm" and files["video-1"] == f"waves-{made[:8]}-1.srt"
        assert [export["exporter"] for export in detail["job"]["request"]["exports"]] == ["webm", "srt"]
        assert client.artifact(made, "video-1").startswith(b"1\n00:00:00,000 --> ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "JOB", "webm:crf=64"], "option crf of exporter webm is '64'"),
        (["export", "JOB", "webm:crf"], "'crf' is no OPTION=VALUE"),
        (["export", "JOB", "avi"], "unknown exporter 'avi'"),
        (["redo", "JOB", "--sections", "9"], "there is no section 9; the job has sections 0 to 3"),
        (["redo", "JOB", "--sections", "nine"], "expected numbers and ranges"),
        (["redo", "JOB", "--sections", "3-1"], "the first number comes first"),
        (["fork", "JOB", "--from-section", "2", "--set", "total_second_length=9"], "submit it as a new job"),
        (["fork", "JOB", "--from-section", "2", "--set", "cfg=99"], "cfg is 99"),
    ],
)
def test_errors_are_one_line(run, farm: LiveFarm, job: str, words: list[str], message: str) -> None:
    outcome = run(*[job if word == "JOB" else word for word in words])
    assert outcome.code == 2 and message in outcome.err and len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(("text", "numbers"), [("7", [7]), ("7-9", [7, 8, 9]), (" 2, 7-8,7", [2, 7, 8])])
def test_sections_are_read(text: str, numbers: list[int]) -> None:
    assert parse_sections(text) == numbers


@pytest.mark.parametrize("text", ["", "-1", "1-", "a", "1,,2", "0-99999"])
def test_nonsense_is_no_section(text: str) -> None:
    with pytest.raises(InputError):
        parse_sections(text)
