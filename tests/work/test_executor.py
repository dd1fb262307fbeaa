"""Attempts executed in this process: inputs, outputs, stopping, failing, exporting."""

import io
import json
from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch
from PIL import Image

from farm.errors import CancelledError, CheckpointError, InputError, ResultError, StorageError
from farm.jobs.records import AttemptSpec, Job
from farm.jobs.submission import Submission
from farm.settings import Settings
from farm.work.executor import TaskExecutor
from farm.work.inputs import Inputs
from farm.work.reference import render_in_process
from farm.work.specs import spec_for
from model.families.framepack.renderer import FramePackRenderer
from tests.support.farms import wait_for

from .conftest import Farm

BROKEN = """
from plugins.hookspecs import hookimpl

class Broken:
    name, extension, media_type = "broken", ".bin", "application/octet-stream"
    def export(self, frames, path, info):
        next(frames)
        raise RuntimeError("the encoder burst")

@hookimpl
def farm_exporters():
    return [Broken()]
"""


def begin(farm: Farm, job: Job, name: str) -> AttemptSpec:
    """Start the named task and give its specification."""
    task = next(task for task in farm.store.tasks(job.id) if task.name == name)
    return spec_for(job, task, farm.store.start_attempt(task.id, "test"), farm.store.artifacts(job.id))


def render_until(farm: Farm, job: Job, task: str) -> None:
    """Render in this process until ``task`` would run."""

    class Enough(BaseException):
        pass

    def look(job: Job) -> None:
        if next(each for each in farm.store.tasks(job.id) if each.name == task).state == "ready":
            raise Enough

    with pytest.raises(Enough):
        render_in_process(farm.store, farm.artifacts, job.id, on_update=look)


def test_attempt_writes_below_its_own_folder_only(alone: Farm):
    job = alone.job()
    spec = begin(alone, job, "encode")
    before = set(alone.settings.artifacts_dir.rglob("*"))
    (file,) = TaskExecutor(alone.artifacts).run(spec)
    written = [path for path in set(alone.settings.artifacts_dir.rglob("*")) - before if path.is_file()]
    names = {str(path.relative_to(alone.settings.artifacts_dir)) for path in written}
    assert names == {file.key, f"jobs/{job.id}/attempts/{spec.attempt_id}/log.txt"}
    assert file.key.startswith(f"jobs/{job.id}/attempts/{spec.attempt_id}/")
    assert alone.store.artifacts(job.id).keys() == {"image"}


def test_stops_between_two_steps(alone: Farm):
    job = alone.job()
    render_until(alone, job, "section-000")
    seen: list[int] = []
    spec = begin(alone, job, "section-000")
    with pytest.raises(CancelledError):
        TaskExecutor(alone.artifacts).run(spec, lambda step, steps: seen.append(step), lambda: len(seen) == 2)
    assert seen == [1, 2]


def test_section_shows_itself_while_it_renders_and_afterwards(alone: Farm):
    job = alone.job()
    render_until(alone, job, "section-000")
    spec = begin(alone, job, "section-000")
    shown: list[Path] = []

    def look(step: int, steps: int) -> None:
        if step == steps:
            shown.extend(wait_for(lambda: [*alone.settings.artifacts_dir.rglob("preview-000.jpg")], "no preview"))

    latents, preview = TaskExecutor(alone.artifacts).run(spec, look)
    assert len(shown) == 1
    assert (preview.name, preview.key) == ("preview-000", f"{spec.output_prefix}/preview-000.jpg")
    assert Image.open(io.BytesIO(alone.artifacts.read(preview.key))).size == (9 * 96, 96)
    facts = alone.artifacts.tensor_metadata(latents.key)
    assert (facts["cache"], facts["steps"], facts["computed"]) == ("none", "4", '{"positive": 4}')


def test_manifest_tells_what_the_cache_skipped(alone: Farm):
    job = alone.job(total_second_length=2.0, steps=9, cache="taylor", cfg=2.0)
    assert render_in_process(alone.store, alone.artifacts, job.id).state == "completed"
    manifest = json.loads(alone.artifacts.read(alone.store.artifacts(job.id)["manifest"].key))
    assert [section["cache"] for section in manifest["sections"]] == ["taylor"] * 2
    assert [section["steps_computed"] for section in manifest["sections"]] == [{"positive": 6, "negative": 6}] * 2


def test_out_of_memory_goes_on_under_a_smaller_plan_and_loses_nothing(alone: Farm, reference, monkeypatch):
    denoise = FramePackRenderer.denoise
    refused: list[int] = []

    def short_of_memory(self, section, *args, **options):
        if self.placement.name == "resident" and section.index == 1:
            refused.append(section.index)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return denoise(self, section, *args, **options)

    monkeypatch.setattr(FramePackRenderer, "denoise", short_of_memory)
    job = render_in_process(alone.store, alone.artifacts, alone.job(seed=43).id)
    assert job.state == "completed" and refused == [1]
    assert {attempt.number for attempt in alone.store.attempts(job.id)} == {1}
    (told,) = [event.message for event in alone.store.events(job.id) if event.kind == "memory_plan"]
    assert "section-001" in told and "'resident'" in told and "'transformer'" in told
    made = alone.latents(job.id)
    assert {name: made[name].equal(latents) for name, latents in reference(seed=43).items()} == dict.fromkeys(
        made, True
    )


def test_out_of_memory_under_the_smallest_plan_is_a_want_of_resources(alone: Farm, monkeypatch):
    def never_enough(self, *args, **options):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(FramePackRenderer, "denoise", never_enough)
    job = alone.job()
    with pytest.raises(torch.OutOfMemoryError):
        render_in_process(alone.store, alone.artifacts, job.id)
    failed = next(attempt for attempt in alone.store.attempts(job.id) if attempt.failure)
    assert failed.failure == "resources"
    assert [task.failures for task in alone.store.tasks(job.id) if task.id == failed.task_id] == [0]


def test_damaged_input_is_refused(alone: Farm):
    job = alone.job()
    render_until(alone, job, "section-000")
    key = alone.store.artifacts(job.id)["conditioning"].key
    data = bytearray(alone.artifacts.read(key))
    data[-1] ^= 1
    alone.artifacts.write(key, bytes(data))
    with pytest.raises(StorageError, match="conditioning"):
        TaskExecutor(alone.artifacts).run(begin(alone, job, "section-000"))


def test_a_replica_reads_the_conditioning_of_a_video_once(alone: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    job, other = alone.job(), alone.job(prompt="another one waves")
    for each in (job, other):
        render_until(alone, each, "section-000")
    read: list[str] = []
    before = Inputs.read
    monkeypatch.setattr(Inputs, "read", lambda self, name: read.append(name) or before(self, name))
    executor = TaskExecutor(alone.artifacts)
    first, beside = (begin(alone, each, "section-000") for each in (job, other))
    executor.run(first)
    executor.run(replace(first, attempt_id="again", output_prefix=f"{first.output_prefix}-again"))
    assert read == ["conditioning"]
    executor.run(beside)
    executor.run(replace(first, attempt_id="last", output_prefix=f"{first.output_prefix}-last"))
    assert read == ["conditioning"] * 3


def test_plan_of_another_version_is_refused(alone: Farm):
    spec = begin(alone, alone.job(), "encode")
    with pytest.raises(InputError, match="planned as"):
        TaskExecutor(alone.artifacts).run(replace(spec, plan_digest="0" * 64))


def test_interrupted_render_goes_on_with_what_is_finished(alone: Farm, reference):
    job = alone.job(seed=41)

    def stop_in_third_section(job: Job) -> None:
        if job.counts["steps_done"] == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_in_process(alone.store, alone.artifacts, job.id, on_update=stop_in_third_section)
    interrupted = [a for a in alone.store.attempts(job.id) if a.state == "interrupted"]
    assert len(interrupted) == 1 and alone.committed(job.id) == {"encode": 1, "section-000": 1, "section-007": 1}
    assert render_in_process(alone.store, alone.artifacts, job.id).state == "completed"
    assert set(alone.committed(job.id).values()) == {1}
    found, expected = alone.latents(job.id), reference(seed=41)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("exact", "frames"), [(False, 73), (True, 60)])
def test_export_has_every_frame_and_says_how_it_was_made(alone: Farm, exact: bool, frames: int):
    job = alone.job(total_second_length=2.0, exact_length=exact, steps=1)
    done = render_in_process(alone.store, alone.artifacts, job.id)
    assert done.state == "completed", done.error
    files = {name: alone.artifacts.path(file.key) for name, file in alone.store.artifacts(job.id).items()}
    with av.open(str(files["video"])) as video:
        assert sum(1 for _ in video.decode(video=0)) == frames
    assert Image.open(files["contact_sheet"]).width > 64
    manifest = json.loads(files["manifest"].read_text())
    assert manifest["video"]["frames"] == frames
    asked = Submission.model_validate({**manifest["request"], "owner": job.owner})
    assert asked == job.submission and manifest["digest"] == job.request.digest
    committed = {a.id for a in alone.store.attempts(job.id) if a.state == "committed"}
    assert len(manifest["sections"]) == 2
    assert all(s["attempt"] in committed and s["seconds"] > 0 and s["replica"] == "local" for s in manifest["sections"])
    assert manifest["device_classes"] == ["cpu-1t-fp32"]
    assert {section["attention"] for section in manifest["sections"]} == {"native"}


def test_a_machine_without_the_weights_writes_the_video(alone: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    job = alone.job()
    render_until(alone, job, "export")
    spec = begin(alone, job, "export")
    with_weights = TaskExecutor(alone.artifacts).run(spec)
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "nothing"))
    video, _, manifest = TaskExecutor(alone.artifacts).run(spec)
    assert video.sha256 == with_weights[0].sha256
    model = json.loads(alone.artifacts.read(manifest.key))["model"]
    assert model["family"] == "puppet" and model["checkpoint_sha256"] and model["parts"] == {}
    with pytest.raises(CheckpointError):
        TaskExecutor(alone.artifacts).run(replace(spec, layout=""))


def test_a_model_runs_as_the_settings_say(alone: Farm, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    chosen = {"FARM_ATTENTION": "math", "FARM_CPU_CLASS": "other", "FARM_PUPPET_PATH": str(tiny)}
    settings = Settings.for_home(alone.settings.home, environ=chosen)
    monkeypatch.setenv("FARM_ATTENTION", "native")
    monkeypatch.delenv("FARM_PUPPET_PATH")
    executor = TaskExecutor(alone.artifacts, settings=settings)
    assert executor.renderer("puppet").device_class == "cpu-1t-fp32-other-math"


def test_broken_exporter_fails_the_job_and_a_retry_keeps_the_sections(alone: Farm, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARM_HOME", str(alone.settings.home))
    plugin: Path = alone.settings.plugins_dir / "burst.py"
    plugin.write_text(BROKEN)
    job = alone.job(exporter="broken", total_second_length=2.0, steps=1)
    failed = render_in_process(alone.store, alone.artifacts, job.id)
    assert failed.state == "failed" and "the encoder burst" in failed.error
    assert len([a for a in alone.store.attempts(job.id) if a.task_id.endswith("export")]) == 1, "it would burst again"
    plugin.write_text(BROKEN.replace('raise RuntimeError("the encoder burst")', "path.write_bytes(b'made')"))
    alone.store.retry_job(job.id)
    assert render_in_process(alone.store, alone.artifacts, job.id).state == "completed"
    assert set(alone.committed(job.id).values()) == {1}
    assert alone.artifacts.read(alone.store.artifacts(job.id)["video"].key) == b"made"


@pytest.mark.parametrize(("task", "method"), [
    ("encode", "encode"), ("section-000", "denoise"), ("decode-000", "decode"),
])  # fmt: skip
def test_values_that_are_no_numbers_are_no_result(alone: Farm, monkeypatch, task: str, method: str) -> None:
    """A broken card gives them without a word; frames of them would be a black picture."""
    job = alone.job()
    if task != "encode":
        render_until(alone, job, task)
    real = getattr(FramePackRenderer, method)

    def broken(self, *args, **options):
        made = real(self, *args, **options)
        spoilt = made["start_latent"] if isinstance(made, dict) else made
        spoilt.view(-1)[7] = float("nan")
        return made

    monkeypatch.setattr(FramePackRenderer, method, broken)
    with pytest.raises(ResultError, match=r"1 of \d+ values that are no finite numbers.*look at local"):
        TaskExecutor(alone.artifacts).run(begin(alone, job, task))
