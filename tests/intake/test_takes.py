"""Equal work is done once, and a take renders nothing but what it is for."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch

from farm.errors import ConflictError, InputError
from farm.intake.planning import plan_for
from farm.intake.queue import queue_job
from farm.intake.request import accept
from farm.intake.takes import accept_promotion, accept_take, with_dependants
from farm.jobs.records import AttemptState, Job, JobState
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from farm.store.reuse import REUSED
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.api import picture
from tests.support.tiny import tiny_checkpoint

FIELDS = {"prompt": "The puppet waves", "total_second_length": 5, "steps": 1, "seed": 5, "order": "bisect"}


class Home:
    """A home whose jobs are rendered in this process."""

    def __init__(self, path: Path) -> None:
        self.settings = Settings.for_home(path)
        self.settings.ensure_home()
        self.store = JobStore(self.settings.database_url)
        self.store.migrate()
        self.artifacts = open_store(self.settings)

    def queue(self, **fields: Any) -> Job:
        media = Media(image=picture())
        accepted = accept({**FIELDS, **fields}, media)
        return queue_job(self.store, self.artifacts, accepted, media, uuid4().hex)

    def take(self, job: Job, changes: dict[str, Any] | None = None, **which: Any) -> Job:
        found = accept_take(self.store, self.artifacts, job, changes or {}, **which)
        return queue_job(self.store, self.artifacts, found.accepted, found.media, uuid4().hex, take=found.take)

    def render(self, job: Job) -> Job:
        return render_in_process(self.store, self.artifacts, job.id, settings=self.settings)

    def hashes(self, job: Job) -> dict[str, str]:
        """Of the contents: the headers of tensor files say who made them."""
        found = {}
        for name, file in self.store.artifacts(job.id).items():
            found[name] = file.sha256
            if file.key.endswith(".safetensors"):
                tensors = sorted(self.artifacts.load_tensors(file.key).items())
                content = b"".join(
                    name.encode() + tensor.view(torch.uint8).numpy().tobytes() for name, tensor in tensors
                )
                found[name] = hashlib.sha256(content).hexdigest()
        return found

    def worked(self, job: Job) -> list[str]:
        """Names of the tasks that were really done."""
        return [a.task_id.partition(".")[2] for a in self.store.attempts(job.id) if a.replica != REUSED]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")))
        patch.setenv("FARM_HOME", str(tmp_path_factory.mktemp("home")))
        yield Home(Path(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def first(home: Home) -> Job:
    return home.render(home.queue(name="first"))


def test_another_name_or_exporter_costs_no_denoising(home: Home, first: Job) -> None:
    again = home.queue(name="again", mp4_crf=30, priority=80)
    assert again.counts["done"] == 9 and again.state is JobState.PENDING, "all but the export is taken over at once"
    done = home.render(again)
    assert done.state is JobState.COMPLETED and home.worked(done) == ["export"]
    mine, theirs = home.hashes(done), home.hashes(first)
    assert all(mine[name] == theirs[name] for name in theirs if name.startswith(("latents", "frames", "conditioning")))
    assert mine["video"] != theirs["video"]


def test_files_stay_when_the_job_that_made_them_is_deleted(home: Home) -> None:
    maker = home.render(home.queue(seed=21, total_second_length=2.4))
    again = home.queue(seed=21, total_second_length=2.4, name="again")
    home.store.delete_job(maker.id)
    home.artifacts.remove_prefix(f"jobs/{maker.id}")
    assert home.render(again).state is JobState.COMPLETED and home.worked(again) == ["export"]


def test_a_file_that_is_gone_is_not_taken_over(home: Home) -> None:
    maker = home.render(home.queue(seed=22, total_second_length=2.4))
    before = home.hashes(maker)
    home.artifacts.remove_prefix(home.store.artifacts(maker.id)["latents-001"].key)
    again = home.render(home.queue(seed=22, total_second_length=2.4, name="again"))
    assert again.state is JobState.COMPLETED and "section-001" in home.worked(again)
    assert home.hashes(again)["latents-001"] == before["latents-001"]


def test_what_was_damaged_is_made_again_and_not_taken_over(home: Home) -> None:
    maker = home.render(home.queue(seed=23, total_second_length=2.4))
    again = home.queue(seed=23, total_second_length=2.4, name="again")
    assert home.store.remake(again.id, "latents-001", "a bit flipped")
    done = home.render(again)
    assert done.state is JobState.COMPLETED and home.worked(done) == ["section-001", "export"]
    assert home.hashes(done)["latents-001"] == home.hashes(maker)["latents-001"]


def test_redo_renders_the_sections_and_what_depends_on_them(home: Home, first: Job) -> None:
    plan = plan_for(first.request)
    again = with_dependants(plan, [1])
    take = home.take(first, sections=[1])
    assert take.parent == first.id and set(take.kept) == set(range(4)) - again
    done = home.render(take)
    assert {name for name in home.worked(done) if name.startswith("section")} == {f"section-{i:03d}" for i in again}
    before, after = home.hashes(first), home.hashes(done)
    for index in range(4):
        assert (before[f"latents-{index:03d}"] == after[f"latents-{index:03d}"]) == (index not in again)
    assert [job.id for job in home.store.family(first.id)][-1] == take.id
    states = {attempt.state for attempt in home.store.attempts(done.id)}
    assert states == {AttemptState.COMMITTED}


def test_a_chunk_of_kept_sections_waits_for_the_encoding_that_it_reads(home: Home) -> None:
    """What was only made on the way is gone from the parent by then."""
    parent = home.render(home.queue(prompt="Only here", order="vanilla"))
    home.store.forget_files(parent.id, ["work"])
    take = home.take(parent, {"seed": 12}, sections=[3])
    ready = {task.name for task in home.store.tasks(take.id) if task.state == "ready"}
    assert ready == {"encode"}
    assert home.render(take).state is JobState.COMPLETED
    assert {attempt.state for attempt in home.store.attempts(take.id)} == {AttemptState.COMMITTED}


def test_fork_keeps_what_comes_before(home: Home, first: Job) -> None:
    done = home.render(home.take(first, {"prompt": "The puppet bows", "name": "bow"}, first=2))
    assert done.name == "bow" and done.kept == (0, 1)
    worked = home.worked(done)
    assert {name for name in worked if name.startswith("section")} == {"section-002", "section-003"}
    assert "encode" in worked and "decode-000" not in worked and "decode-003" in worked
    before, after = home.hashes(first), home.hashes(done)
    assert before["latents-000"] == after["latents-000"] and before["latents-003"] != after["latents-003"]


def test_a_kept_section_is_never_rendered_with_the_takes_own_settings(home: Home) -> None:
    parent = home.render(home.queue(seed=31))
    take = home.take(parent, {"seed": 8}, first=3)
    assert home.store.remake(take.id, "latents-000", "damaged"), "the parent's file is whole: it is taken over again"
    done = home.render(take)
    assert done.state is JobState.COMPLETED and "section-000" not in home.worked(done)
    assert home.hashes(done)["latents-000"] == home.hashes(parent)["latents-000"]
    home.store.delete_job(parent.id)
    assert home.store.remake(take.id, "latents-000", "damaged again")
    gone = home.render(take)
    assert gone.state is JobState.FAILED and f"kept from job {parent.id}" in gone.error


def test_a_take_of_a_take(home: Home, first: Job) -> None:
    one = home.render(home.take(first, {"seed": 8}, first=3))
    two = home.render(home.take(one, {"seed": 9}, first=3))
    assert home.hashes(two)["latents-000"] == home.hashes(first)["latents-000"]
    assert home.hashes(two)["latents-003"] != home.hashes(one)["latents-003"]


def test_the_same_take_again_costs_nothing(home: Home, first: Job) -> None:
    one = home.render(home.take(first, {"seed": 77}, sections=[3]))
    two = home.render(home.take(first, {"seed": 77, "name": "twice"}, sections=[3]))
    assert home.worked(two) == ["export"] and home.hashes(one)["latents-003"] == home.hashes(two)["latents-003"]


@pytest.mark.parametrize(
    ("changes", "which", "message"),
    [
        ({}, {"sections": [9]}, "there is no section 9; the job has sections 0 to 3"),
        ({}, {"sections": []}, "no section is to be rendered again"),
        ({}, {}, "one of the two"),
        ({}, {"sections": [1], "first": 1}, "one of the two"),
        ({"total_second_length": 8}, {"first": 2}, "submit it as a new job"),
        ({"order": "vanilla"}, {"first": 2}, "submit it as a new job"),
        ({"steps": 0}, {"first": 2}, "steps is 0"),
        ({"latent_type": "black"}, {"first": 2}, "latent_type can't differ"),
        ({"stpes": 3}, {"first": 2}, "Did you mean 'steps'"),
    ],
)
def test_what_is_no_take_is_refused(home: Home, first: Job, changes: Any, which: Any, message: str) -> None:
    before = home.store.list_jobs()[1]
    with pytest.raises(InputError, match=message):
        home.take(first, changes, **which)
    assert home.store.list_jobs()[1] == before


def test_what_is_not_finished_cannot_be_kept(home: Home) -> None:
    with pytest.raises(ConflictError, match=r"section 0 of job .* is ready, not finished"):
        home.take(home.queue(seed=99), first=2)


def test_a_promoted_draft_is_the_video_that_it_was_a_draft_of(home: Home) -> None:
    whole, draft = (home.queue(steps=5, cache="tea", name="Waves", draft=draft) for draft in (False, True))
    assert (draft.request.steps, draft.draft, whole.draft) == (2, True, False)
    again = home.take(draft, first=0)
    assert again.draft and again.request.steps == 2
    found = accept_promotion(home.store, home.artifacts, draft)
    assert found.accepted.submission == whole.submission and found.take.parent == draft.id
    with pytest.raises(ConflictError, match="no draft"):
        accept_promotion(home.store, home.artifacts, whole)
