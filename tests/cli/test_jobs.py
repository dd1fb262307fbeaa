"""Commands over a real server."""

import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from farm.jobs.records import FailureKind
from farm.service.state import ServiceState, write_state
from tests.support.api import LiveFarm, picture
from tests.support.clips import clip, flat


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "start.png").write_bytes(picture())
    return tmp_path / "start.png"


@pytest.fixture
def job(run, farm: LiveFarm, image: Path) -> str:
    outcome = run("submit", image, "-p", "The puppet waves", "-s", "2.4", "--set", "steps=1", "--name", "[b]Take[/b] 1")
    assert outcome.code == 0, outcome.err
    return outcome.out.strip()


def finish(farm: LiveFarm, job_id: str) -> None:
    """Commit every task as replicas would; the video is eleven bytes."""
    while ready := [task for task, job in farm.store.ready_tasks() if job.id == job_id]:
        attempt = farm.store.start_attempt(ready[0].id, "replica-1")
        made = []
        if ready[0].name == "export":
            made = [farm.artifacts.write(f"jobs/{job_id}/video.mp4", b"eleven byte", name="video")]
        farm.store.commit_attempt(attempt.id, made)


def test_submit_sends_what_was_asked(run, farm: LiveFarm, image: Path):
    outcome = run(
        "submit", image, "-p", "wave", "-s", "4", "--preset", "dance", "--order", "bisect", "--seed", "7",
        "--priority", "80", "--set", "gs=8.5", "--idempotency-key", "k", "--json",
    )  # fmt: skip
    request = json.loads(outcome.out)["request"]
    assert (request["total_second_length"], request["preset"], request["seed"]) == (4, "Dance", 7)
    assert (request["priority"], request["gs"], request["order"]) == (80, 8.5, "bisect")
    again = run("submit", image, "-p", "wave", "--idempotency-key", "k", "--json")
    assert json.loads(again.out)["id"] == json.loads(outcome.out)["id"]


def test_submit_sends_pictures_and_video(run, farm: LiveFarm, image: Path, tmp_path: Path):
    (tmp_path / "end.png").write_bytes(flat("red"))
    (tmp_path / "clip.mp4").write_bytes(clip())
    end = str(tmp_path / "end.png")
    outcome = run(
        "submit", image, "-p", "wave", "-s", "4.8", "--end-image", end, "--end-strength", "0.5",
        "--keyframe", f"1.2={end}", "--keyframe", f"3.6s={image}", "--json",
    )  # fmt: skip
    request = json.loads(outcome.out)["request"]
    assert [keyframe["second"] for keyframe in request["keyframes"]] == [1.2, 3.6]
    assert request["end_image_strength"] == 0.5
    assert request["end_image_sha256"] == request["keyframes"][0]["image_sha256"]
    outcome = run("submit", "-p", "wave", "--extend", str(tmp_path / "clip.mp4"), "--extend-at", "start", "--json")
    assert json.loads(outcome.out)["request"]["extend"] == "start"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--keyframe", "soon=x.png"], "SECOND=FILE"),
        (["--keyframe", "2.4"], "SECOND=FILE"),
        (["--keyframe", "2.4=nowhere.png"], "can't read the keyframe nowhere.png"),
        (["--end-image", "nowhere.png"], "can't read the end image"),
        (["--extend", "nowhere.mp4"], "can't read the video"),
        (["--extend-at", "start"], "--extend VIDEO"),
        ([], "no start image"),
    ],
)
def test_bad_file_option_is_one_clear_line(run, farm: LiveFarm, options: list[str], complaint: str):
    outcome = run("submit", "-p", "wave", *options)
    assert outcome.code == 2 and complaint in outcome.err and len(outcome.err.strip().splitlines()) == 1


def test_jobs_lists_and_filters(run, job: str):
    listed = run("jobs", "--search", "Take")
    assert job[:8] in listed.out and "[b]Take[/b] 1" in listed.out and "pending" in listed.out
    assert json.loads(run("jobs", "--json").out)["total"] >= 1
    assert "No such jobs" in run("jobs", "--owner", "nobody").out


def test_job_is_found_by_the_beginning_of_its_id(run, job: str):
    assert json.loads(run("show", job[:8], "--json").out)["job"]["id"] == job
    outcome = run("show", "zz")
    assert outcome.code == 1 and "no job begins with 'zz'" in outcome.err


def test_verbs_change_the_state(run, job: str):
    assert "paused" in run("pause", job).out
    assert "goes on" in run("resume", job).out
    outcome = run("retry", job)
    assert outcome.code == 1 and outcome.err.startswith("error: ") and len(outcome.err.splitlines()) == 1
    assert json.loads(run("cancel", job, "--json").out) == {"done": [job], "refused": []}
    assert run("delete", job, "--yes").out == f"{job[:8]}: deleted\n"
    assert run("show", job).code == 1


def test_show_draws_the_sections(run, farm: LiveFarm, job: str):
    attempt = farm.store.start_attempt(f"{job}.encode", "replica-1")
    farm.store.fail_attempt(attempt.id, FailureKind.INTERRUPTION, "lost")
    finish(farm, job)
    out = run("show", job).out
    assert "2.43 s, 73 frames at 30 fps, 2 sections" in out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip().endswith("█")}
    assert {"encode", "section-000", "section-001", "decode-000", "decode-001", "export"} == set(rows)
    assert rows["encode"].split()[2] == "2" and "replica-1" in rows["encode"]
    assert "11 bytes" in out


def test_watch_follows_to_the_end_and_tells_success_by_exit_code(run, farm: LiveFarm, job: str):
    worker = threading.Thread(target=finish, args=(farm, job))
    worker.start()
    outcome = run("watch", job)
    worker.join()
    assert outcome.code == 0, outcome.err
    assert "the video is ready" in outcome.out and "completed, 2 of 2 sections" in outcome.out


def test_watch_json_prints_a_line_per_event_and_fails_for_a_cancelled_job(run, job: str):
    run("cancel", job)
    outcome = run("watch", job, "--json")
    events = [json.loads(line)["event"] for line in outcome.out.splitlines()]
    assert [event for event in events if event != "job_note"] == ["job_created", "job_cancelled", "end"]
    assert outcome.code == 1 and "was cancelled" in outcome.err


def test_fetch_writes_the_video(run, farm: LiveFarm, job: str, tmp_path: Path):
    early = run("fetch", job, "-o", tmp_path / "early.mp4")
    assert early.code == 1 and "has no video; it has: image" in early.err
    finish(farm, job)
    outcome = run("fetch", job, "-o", tmp_path / "out.mp4")
    assert outcome.out.strip() == str(tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"eleven byte"
    refused = run("fetch", job, "-o", tmp_path / "none" / "out.mp4")
    assert refused.code == 1 and "can't write" in refused.err and not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["-p", ""], "prompt"),
        (["-p", "x" * 10_000], "2000"),
        (["-p", "x", "-s", "0"], "total_second_length"),
        (["-p", "x", "-s", "nan"], "total_second_length"),
        (["-p", "x", "-s", "9999"], "total_second_length"),
        (["-p", "x", "--preset", "danse"], "Did you mean 'Dance'"),
        (["-p", "x", "--set", "sedd=1"], "Did you mean 'seed'"),
        (["-p", "x", "--set", "gs"], "KEY=VALUE"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(run, farm: LiveFarm, image: Path, args: list[str], expected: str):
    outcome = run("submit", image, *args)
    assert outcome.code == 2 and outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: ") and expected in line


def test_bad_image_is_one_line_and_exit_code_2(run, farm: LiveFarm, tmp_path: Path):
    (tmp_path / "text.png").write_text("hello")
    for path, expected in (
        (tmp_path / "text.png", "not an image"),
        (tmp_path / "none.png", "No such file"),
        (tmp_path, "directory"),
    ):
        outcome = run("submit", path, "-p", "x")
        assert outcome.code == 2 and expected in outcome.err and len(outcome.err.splitlines()) == 1


def test_no_farm_and_wrong_token_are_one_line_and_exit_code_1(run, farm: LiveFarm, monkeypatch: pytest.MonkeyPatch):
    outcome = run("jobs", "--token", "wrong")
    assert outcome.code == 1 and "the token is wrong" in outcome.err
    outcome = run("jobs", "--url", "http://127.0.0.1:9")
    assert outcome.code == 1 and "no farm answers" in outcome.err and len(outcome.err.splitlines()) == 1
    outcome = run("jobs", "--url", "nonsense")
    assert outcome.code == 2 and len(outcome.err.splitlines()) == 1


def test_address_of_the_running_service_is_found(run, farm: LiveFarm, job: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FARM_URL")
    write_state(farm.settings, ServiceState("ready", os.getpid(), farm.url))
    assert job[:8] in run("jobs").out
    assert run("token").out.strip() == farm.token


def test_many_jobs_by_their_ids_or_by_their_state(run, farm: LiveFarm, tmp_path) -> None:
    (tmp_path / "start.png").write_bytes(picture())
    fields = ["-p", "Waves", "-s", "1.2", "--steps", "1", "--set", "owner=many"]
    ids = [str(run("submit", tmp_path / "start.png", *fields, "--name", f"n{n}").out.strip()) for n in range(3)]
    paused = run("pause", ids[0][:12], ids[1][:12])
    assert paused.code == 0 and paused.out.count("paused") == 2
    again = run("pause", *ids)
    assert again.code == 0 and again.out.count("paused") == 1 and "is paused" in again.err
    assert run("pause", *ids).code != 0, "there was nothing left to do"
    moved = run("move", ids[2], "first")
    assert moved.code == 0, moved.err
    resumed = run("resume", "--state", "paused", "--owner", "many", "--json")
    assert sorted(json.loads(resumed.out)["done"]) == sorted(ids)
    assert run("cancel", "--state", "pending", "--owner", "many").code == 0
    assert run("delete", *ids, "-y").out.count("deleted") == 3
    nothing = run("delete")
    assert nothing.code == 2 and "--state cancelled" in nothing.err
    both = run("cancel", ids[0], "--state", "pending")
    assert both.code == 2 and "not both" in both.err


def test_a_batch_is_queued_listed_and_cancelled_together(run, farm: LiveFarm, tmp_path) -> None:
    for name, size in (("cat", 64), ("dog", 80)):
        (tmp_path / f"{name}.png").write_bytes(picture(size, size))
    (tmp_path / "prompts.txt").write_text("The puppet waves\n\nThe puppet bows\n")
    images = [tmp_path / "cat.png", tmp_path / "dog.png"]
    fields = ["-s", "1.2", "--set", "owner=batcher", "--prompts", tmp_path / "prompts.txt", "--sweep", "steps=1,2"]
    made = run("submit", *images, *fields, "--batch", "evening", "--name", "Try")
    assert made.code == 0 and len(made.out.split()) == 8 and "8 jobs of evening" in made.err
    listed = json.loads(run("jobs", "--batch", "evening", "--json").out)
    assert listed["total"] == 8
    names = {job["name"] for job in listed["jobs"]}
    assert "Try cat, The puppet waves, steps 1" in names and "Try dog, The puppet bows, steps 2" in names
    assert len({job["request"]["image_sha256"] for job in listed["jobs"]}) == 2
    cancelled = run("cancel", "--batch", "evening")
    assert cancelled.code == 0 and cancelled.out.count("cancelled") == 8
    for wrong, word in (
        (["--sweep", "steps"], "FIELD=A,B"),
        (["--prompts", tmp_path / "none.txt"], "can't read"),
        (["--seeds", "2", "--watch"], "for one job"),
    ):
        refused = run("submit", images[0], "-p", "x", *wrong)
        assert refused.code == 2 and word in refused.err


def test_a_queue_of_framepack_studio_becomes_jobs(run, farm: LiveFarm, tmp_path: Path) -> None:
    job = {"prompt": "The puppet waves", "steps": 1, "total_second_length": 1.2, "latent_window_size": 9, "shine": 2}
    queue = {
        name: {
            **job,
            "id": name,
            "status": "pending",
            "seed": seed,
            "saved_input_image_path": f"queue_images/{name}.png",
        }
        for seed, name in enumerate("ab")
    }
    with zipfile.ZipFile(tmp_path / "queue.zip", "w") as archive:
        archive.writestr("queue.json", json.dumps(queue))
        for name in queue:
            archive.writestr(f"queue_images/{name}.png", picture())
    made = run("submit", "--from", tmp_path / "queue.zip", "--model", "puppet", "--name", "From Studio")
    assert made.code == 0 and len(made.out.split()) == 2, made.err
    assert made.err.count("left out: shine") == 1 and "2 jobs of batch-" in made.err
    found = [farm.client().job(job_id)["job"]["request"] for job_id in made.out.split()]
    assert [request["seed"] for request in found] == [0, 1] and {request["steps"] for request in found} == {1}
    assert run("cancel", *made.out.split()).code == 0
