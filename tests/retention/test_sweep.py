"""Files that go, over the HTTP API and the command line, and what still works without them."""

from pathlib import Path

import pytest

from farm.jobs.records import Job, JobState
from farm.retention.policy import Keep
from farm.retention.sweep import look, sweep, tidy
from farm.work.reference import render_in_process
from tests.intake.test_takes import Home
from tests.support.tiny import tiny_checkpoint


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path / "tiny")))
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def done(home: Home) -> Job:
    return home.render(home.queue(total_second_length=2.4))


def files(home: Home) -> set[str]:
    return {
        path.name.partition("-")[0]
        for path in home.settings.artifacts_dir.rglob("*")
        if path.is_file() and path.parent.name != "logs"
    }


def test_work_files_go_and_the_rest_stays(home: Home, done: Job) -> None:
    before = look(home.store, Keep())
    assert before.due == before.sizes["work"] > 0 and before.spare > before.due
    assert tidy(home.store, home.artifacts, done.id) == before.due
    assert files(home) == {"image.png", "latents", "preview", "thumbnail", "video", "contact_sheet", "manifest"}
    assert "files_removed" in {event.kind for event in home.store.events(done.id)}
    assert tidy(home.store, home.artifacts, done.id) == 0


def test_a_lost_video_is_made_again_from_nothing_but_what_was_given(home: Home, done: Job) -> None:
    video = home.artifacts.read(home.store.artifacts(done.id)["video"].key)
    sweep(home.store, home.artifacts, Keep(0.0, 0))
    assert files(home) == {"image.png", "video", "contact_sheet", "manifest"}
    home.artifacts.remove_prefix(home.store.artifacts(done.id)["video"].key)
    assert home.store.remake(done.id, "video", "gone")
    again = render_in_process(home.store, home.artifacts, done.id, settings=home.settings)
    assert again.state is JobState.COMPLETED
    assert home.artifacts.read(home.store.artifacts(done.id)["video"].key) == video


def test_another_export_without_work_files_denoises_nothing(home: Home, done: Job) -> None:
    tidy(home.store, home.artifacts, done.id)
    again = home.render(home.queue(total_second_length=2.4, name="again", mp4_crf=30))
    assert again.state is JobState.COMPLETED
    assert not {name for name in home.worked(again) if name.startswith("section")}


def test_what_a_take_needs_stays_until_it_has_ended(home: Home, done: Job) -> None:
    take = home.take(done, {"seed": 9}, first=1)
    assert sweep(home.store, home.artifacts, Keep(0.0, 0)) == 0
    home.render(take)
    assert sweep(home.store, home.artifacts, Keep(0.0, 0)) > 0


def test_a_job_that_runs_again_keeps_its_files(home: Home, done: Job) -> None:
    assert home.store.remake(done.id, "latents-001", "damaged")
    assert sweep(home.store, home.artifacts, Keep(0.0, 0)) == 0
