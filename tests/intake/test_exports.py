"""Several files of one video, and more of them later: nothing is rendered twice, one that fails harms no other."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from farm.errors import ConflictError, InputError
from farm.intake.exports import accept_exports
from farm.intake.queue import queue_job
from farm.jobs.records import Job, JobState, TaskState
from farm.retention.sweep import tidy
from plugins.presets import Preset, merge_preset
from tests.intake.test_takes import Home
from tests.support.clips import tone
from tests.support.tiny import tiny_checkpoint

BROKEN = """
from pathlib import Path
from plugins import hookimpl
FLAG = Path(__file__).with_name("works")

class Fickle:
    name, extension, media_type = "fickle", ".bin", "application/octet-stream"
    def export(self, frames, path, info):
        list(frames)
        if not FLAG.exists():
            raise RuntimeError("the licence has run out")
        path.write_bytes(b"done")

@hookimpl
def farm_exporters():
    return [Fickle()]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")))
        patch.setenv("FARM_HOME", str(folder))
        found = Home(folder)
        (found.settings.plugins_dir / "fickle.py").write_text(BROKEN)
        yield found


@pytest.fixture(scope="module")
def first(home: Home) -> Job:
    prompt = "A puppet. [0s-1.2s: It waves.] [1.2s: It bows.]"
    asked = ["mp4", "webm:crf=40,output_fps=15", "otio", "srt"]
    return home.render(home.queue(name="Two Bows", total_second_length=2.4, prompt=prompt, exports=asked))


def export(home: Home, job: Job, *exports: Any, audio: bytes | None = None) -> Job:
    found = accept_exports(home.store, home.artifacts, job, exports, audio=audio)
    return queue_job(
        home.store, home.artifacts, found.accepted, found.media, f"e{home.store.list_jobs()[1]}", take=found.take
    )


def path(home: Home, job: Job, name: str) -> Path:
    return Path(home.artifacts.path(home.store.artifacts(job.id)[name].key))


def manifest(home: Home, job: Job, name: str = "manifest") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path(home, job, name).read_text())
    return found


def test_each_export_is_a_task_with_files_of_its_own(home: Home, first: Job) -> None:
    assert first.state is JobState.COMPLETED
    names = {task.name for task in home.store.tasks(first.id) if task.name.startswith("export")}
    assert names == {"export", "export-1", "export-2", "export-3"}
    files = set(home.store.artifacts(first.id))
    assert {"video", "video-1", "video-2", "video-3", "contact_sheet", "manifest", "manifest-3"} <= files
    assert "contact_sheet-1" not in files
    assert path(home, first, "video-1").suffix == ".webm"
    with av.open(str(path(home, first, "video-1"))) as video:
        assert sum(1 for _ in video.decode(video=0)) == 36
    said = manifest(home, first, "manifest-1")
    assert said["export"]["exporter"] == "webm" and said["export"]["options"] == {"crf": 40}
    assert (
        said["export"]["file"]["codec"] == "vp9" and said["video"]["frames"] == said["export"]["file"]["frames"] == 36
    )
    assert [export["exporter"] for export in said["request"]["exports"]] == ["mp4", "webm", "otio", "srt"]


def test_exporters_know_what_is_seen_when(home: Home, first: Job) -> None:
    text = path(home, first, "video-3").read_text()
    assert "It waves." in text and text.startswith("1\n00:00:00,000 --> 00:00:01,2")
    timeline = json.loads(path(home, first, "video-2").read_text())
    [track] = timeline["tracks"]["children"]
    assert sum(clip["source_range"]["duration"]["value"] for clip in track["children"]) == 73
    media = track["children"][0]["media_references"]["DEFAULT_MEDIA"]["target_url"]
    assert media == f"two-bows-{first.id[:8]}.mp4"


def test_a_later_export_renders_nothing(home: Home, first: Job) -> None:
    again = export(home, first, "latents", {"exporter": "gif", "options": {"fps": 10}})
    assert again.parent == first.id and again.kept == (0, 1) and again.request == first.request
    done = home.render(again)
    assert done.state is JobState.COMPLETED and set(home.worked(done)) == {"export", "export-1"}
    assert [job.id for job in home.store.family(first.id)] == [first.id, done.id]
    with zipfile.ZipFile(path(home, done, "video")) as bundle:
        assert bundle.read("latents-001.safetensors") == path(home, first, "latents-001").read_bytes()


def test_sound_and_post_processing_are_another_export_and_stay_with_the_job(home: Home, first: Job) -> None:
    track = {"audio_loop": True, "audio_fade_out": 0.5, "file_name": "{date} {name}"}
    larger = {"exporter": "webm", **track, "post": ["upscale:scale=2", "interpolate:fps=60"]}
    found = accept_exports(home.store, home.artifacts, first, [larger, "gif"], audio=tone(0.4))
    assert found.accepted.notes == ("the sound track is left out of gif: no such file carries any.",)
    job = export(home, first, larger, {"exporter": "gif", **track}, audio=tone(0.4))
    assert job.request == first.request
    done = home.render(job)
    assert done.state is JobState.COMPLETED, done.error
    assert set(home.worked(done)) == {"export", "export-1"}
    with av.open(str(path(home, done, "video"))) as video:
        assert [(stream.codec_context.name) for stream in video.streams] == ["vp9", "opus"]
        assert (video.streams.video[0].width, video.streams.video[0].average_rate) == (128, 60)
    said = manifest(home, done)
    assert said["video"]["sound"] == "the sound track" and said["video"]["frames"] == 146
    assert [step["processor"] for step in said["export"]["post"]] == ["upscale", "interpolate"]
    assert manifest(home, done, "manifest-1")["video"]["sound"] == "the sound track is left out: gif carries none"
    kept = home.render(export(home, done, "mp4"))
    assert manifest(home, kept)["video"]["sound"] == "the sound track"
    silent = home.render(export(home, done, {"exporter": "mp4", "audio_sha256": None, "post": []}))
    assert manifest(home, silent)["video"]["sound"] is None and "audio" not in home.store.artifacts(silent.id)
    assert path(home, silent, "video").read_bytes() != path(home, kept, "video").read_bytes()


def test_chunks_that_are_gone_are_decoded_again(home: Home) -> None:
    parent = home.render(home.queue(total_second_length=2.4, seed=41))
    tidy(home.store, home.artifacts, parent.id)
    done = home.render(export(home, parent, "webp:quality=30"))
    assert done.state is JobState.COMPLETED
    assert sorted(home.worked(done)) == ["decode-000", "decode-001", "encode", "export"]
    assert manifest(home, done)["export"]["file"]["width"] == 64


def test_one_that_fails_is_retried_alone_and_can_be_another(home: Home) -> None:
    job = home.queue(total_second_length=2.4, seed=42, exports=["fickle", "mp4"])
    failed = home.render(job)
    assert failed.state is JobState.FAILED and "the licence has run out" in failed.error
    other = home.render(export(home, failed, "ffv1"))
    assert other.state is JobState.COMPLETED and home.worked(other) == ["export"]
    worked = home.worked(failed)
    (home.settings.plugins_dir / "works").touch()
    home.store.retry_job(job.id)
    done = home.render(home.store.get_job(job.id))
    assert done.state is JobState.COMPLETED
    assert set(home.worked(done)[len(worked) :]) <= {"export", "export-1"}
    assert path(home, done, "video").read_bytes() == b"done" and path(home, done, "video-1").suffix == ".mp4"


def test_what_can_not_be_exported_is_refused(home: Home, first: Job) -> None:
    for asked, message in (
        ([], "no export is named"),
        (["wbem"], "unknown exporter 'wbem'. Did you mean 'webm'"),
        (["webm:crf=99"], "option crf of exporter webm is '99'"),
        ([{"exporter": "webm", "seed": 3}], "exports.0.seed"),
        (["webm:post=upscale:scale=9"], "option scale of post-processor upscale is '9'"),
        ([{"exporter": "webm", "audio_sha256": "0" * 64}], "audio_sha256 does not match the audio that came with it"),
        (["mp4:file_name={seeds}"], r"file_name is '\{seeds\}'; it should use only \{date\}"),
    ):
        with pytest.raises(InputError, match=message):
            export(home, first, *asked)
    waiting = home.queue(total_second_length=2.4, seed=43)
    with pytest.raises(ConflictError, match=r"section 0 of job .* is ready; it can be exported once all are done"):
        export(home, waiting, "webm")
    assert all(task.state is not TaskState.RUNNING for task in home.store.tasks(waiting.id))
    home.store.cancel_job(waiting.id)
    gone = home.render(home.queue(total_second_length=2.4, seed=44))
    home.store.forget_files(gone.id, ["latents"])
    with pytest.raises(ConflictError, match=r"latents of job .* are gone"):
        export(home, gone, "webm")


def test_options_are_checked_at_the_door(home: Home) -> None:
    with pytest.raises(InputError, match="option crf of exporter webm is '70'; it should be less than or equal to 63"):
        home.queue(exports=["mp4", "webm:crf=70"])
    [one, two] = home.queue(exports=["MP4:codec=H265,crf=30", "gif:width=64"], seed=45).job_order.exports
    assert (one.exporter, one.options, two.options) == ("mp4", {"codec": "h265", "crf": 30}, {"width": 64})


def test_a_preset_may_ask_for_files_and_the_user_wins() -> None:
    preset = Preset(name="Web", description="For the web.", values={"exports": ["webm:crf=30", "gif"]})
    merged = merge_preset(preset, {"prompt": "-"})
    assert [export.exporter for export in merged["exports"]] == ["webm", "gif"]
    assert "exports" not in merge_preset(preset, {"exporter": "mp4"})
