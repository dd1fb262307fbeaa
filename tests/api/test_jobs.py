import hashlib
import json
import os
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from farm.client import FarmClient
from farm.errors import ConflictError, DamagedArtifactError, DatabaseError, NotFoundError
from farm.jobs.records import FailureKind, JobState
from farm.store.database import Database
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 1, "seed": 5}


@pytest.fixture
def job(client: FarmClient) -> dict:
    return client.submit(picture(), FIELDS)


def test_submitted_job_is_queued_as_asked_and_the_coordinator_is_nudged(farm: LiveFarm, client: FarmClient):
    before = farm.nudges
    job = client.submit(picture(), FIELDS | {"preset": "dance", "steps": 3})
    assert (job["state"], job["progress"]) == ("pending", 0)
    request = job["request"]
    assert (request["preset"], request["steps"], request["seed"]) == ("Dance", 3, 5)
    assert request["image_sha256"] == hashlib.sha256(picture()).hexdigest()
    assert farm.nudges == before + 1
    detail = client.job(job["id"])
    assert [t["name"] for t in detail["tasks"]] == [
        "encode", "section-000", "section-001", "decode-000", "decode-001", "export",
    ]  # fmt: skip
    assert detail["plan"]["sections"] == 2 and detail["plan"]["frames"] == 73
    assert detail["plan"]["digest"] == job["plan_digest"]
    assert client.artifact(job["id"], "image") == picture()


def test_same_idempotency_key_makes_one_job_and_leaves_no_second_image(farm: LiveFarm, client: FarmClient):
    first = client.submit(picture(), FIELDS, "key-1")
    folders = set((farm.settings.artifacts_dir / "jobs").iterdir())
    assert client.submit(picture(), FIELDS, "key-1")["id"] == first["id"]
    assert set((farm.settings.artifacts_dir / "jobs").iterdir()) == folders
    assert client.submit(picture(), FIELDS, "key-2")["id"] != first["id"]


def test_section_can_be_looked_at_while_it_renders(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS | {"steps": 2})["id"]
    with pytest.raises(NotFoundError, match=r"section 0 of job .* can't be seen yet"):
        client.preview(job_id, 0)
    (encode, *_) = farm.store.tasks(job_id)
    farm.store.commit_attempt(farm.store.start_attempt(encode.id, "r1").id, [])
    task = next(task for task, job in farm.store.ready_tasks() if job.id == job_id)
    attempt = farm.store.start_attempt(task.id, "r1")
    farm.artifacts.write(f"jobs/{job_id}/attempts/{attempt.id}/preview-{task.section:03d}.jpg", b"half done")
    assert client.preview(job_id, task.section) == b"half done"
    farm.store.fail_attempt(attempt.id, FailureKind.INTERRUPTION, "stopped")
    with pytest.raises(NotFoundError):
        client.preview(job_id, task.section)


def test_finished_sections_tell_how_they_were_made_and_look(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS | {"steps": 2})["id"]
    assert client.job(job_id)["rendered"] == []
    assert render_in_process(farm.store, farm.artifacts, job_id).state is JobState.COMPLETED
    assert client.preview(job_id, 1)[:2] == b"\xff\xd8"
    rendered = client.job(job_id)["rendered"]
    assert [(made["index"], made["cache"], made["steps"]) for made in rendered] == [(0, "none", 2), (1, "none", 2)]
    assert rendered[0]["steps_computed"] == {"positive": 2} and rendered[0]["seconds"] > 0


def test_seed_minus_one_draws_a_seed_that_is_kept(client: FarmClient):
    seeds = {client.submit(picture(), FIELDS | {"seed": -1})["request"]["seed"] for _ in range(2)}
    assert len(seeds) == 2 and min(seeds) >= 0


def test_listing_filters_pages_and_counts(client: FarmClient):
    for number in range(3):
        client.submit(picture(), FIELDS | {"owner": "lister", "name": f"take {number}"})
    page = client.jobs(owner="lister", limit=2)
    assert page["total"] == 3
    assert [j["request"]["name"] for j in page["jobs"]] == ["take 2", "take 1"]
    assert [j["request"]["name"] for j in client.jobs(owner="lister", limit=2, offset=2)["jobs"]] == ["take 0"]
    assert client.jobs(owner="lister", text="TAKE 1")["total"] == 1
    assert client.jobs(owner="lister", state="running")["jobs"] == []


def test_life_of_a_job_by_its_verbs(farm: LiveFarm, client: FarmClient, job: dict):
    assert client.pause(job["id"])["state"] == "paused"
    assert client.resume(job["id"])["state"] == "pending"
    with pytest.raises(ConflictError, match="pending"):
        client.retry(job["id"])
    assert client.cancel(job["id"])["state"] == "cancelled"
    with pytest.raises(ConflictError):
        client.pause(job["id"])
    assert client.retry(job["id"])["state"] == "pending"
    with pytest.raises(ConflictError):
        client.delete(job["id"])
    client.cancel(job["id"])
    client.delete(job["id"])
    with pytest.raises(NotFoundError, match=job["id"]):
        client.job(job["id"])
    assert not (farm.settings.artifacts_dir / "jobs" / job["id"]).exists()


def test_rendered_video_is_served_whole_and_in_ranges(farm: LiveFarm, client: FarmClient, job: dict, tmp_path: Path):
    assert render_in_process(farm.store, farm.artifacts, job["id"]).state is JobState.COMPLETED
    detail = client.job(job["id"])
    assert detail["job"]["progress"] == 1.0
    assert {t["state"] for t in detail["tasks"]} == {"done"}
    assert all(a["state"] == "committed" and a["replica"] for a in detail["attempts"])
    video = next(a for a in detail["artifacts"] if a["name"] == "video")
    assert video["media_type"] == "video/mp4"
    assert video["filename"] == f"the-puppet-waves-{job['id'][:8]}.mp4"

    path = client.download(job["id"], tmp_path / "out.mp4")
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == video["sha256"] and len(data) == video["size"]
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]

    headers = {"Authorization": f"Bearer {farm.token}", "Range": "bytes=10-19"}
    part = httpx.get(farm.url + video["url"], headers=headers)
    assert part.status_code == 206 and part.content == data[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"


def test_absent_artifact_says_what_there_is(client: FarmClient, job: dict):
    with pytest.raises(NotFoundError, match=r"has no 'video'; it has: .*image"):
        client.artifact(job["id"])


def test_download_onto_a_folder_leaves_nothing_behind(client: FarmClient, job: dict, tmp_path: Path):
    from farm.errors import StorageError

    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="can't write"):
        client.download(job["id"], tmp_path / "taken", "image")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_answers_match_the_published_schema(farm: LiveFarm, client: FarmClient, job: dict):
    import jsonschema

    schema = httpx.get(farm.url + "/openapi.json").json()
    reference = {"$ref": "#/components/schemas/JobDetail", "components": schema["components"]}
    jsonschema.validate(json.loads(json.dumps(client.job(job["id"]))), reference)
    without = [
        f"{method} {path}"
        for path, methods in schema["paths"].items()
        for method, route in methods.items()
        if "200" in route["responses"]
        and "application/json" in route["responses"]["200"].get("content", {})
        and not route["responses"]["200"]["content"]["application/json"].get("schema")
    ]
    assert without == []


def test_a_damaged_video_is_not_served_but_made_again(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS)["id"]
    while ready := [task for task, job in farm.store.ready_tasks() if job.id == job_id]:
        attempt = farm.store.start_attempt(ready[0].id, "r1")
        name = "video" if ready[0].name == "export" else f"out-{ready[0].name}"
        file = farm.artifacts.write(f"jobs/{job_id}/{name}-{attempt.id}.mp4", ready[0].name.encode(), name=name)
        farm.store.commit_attempt(attempt.id, [file])
    assert client.artifact(job_id) == b"export"
    nudges = farm.nudges
    path = farm.artifacts.path(farm.store.artifacts(job_id)["video"].key)
    path.write_bytes(b"exporx")
    for _ in range(2):
        with pytest.raises(DamagedArtifactError, match=r"video is damaged.* It is made again now") as refused:
            client.artifact(job_id)
        assert refused.value.status == 503
    assert farm.nudges == nudges + 2
    detail = client.job(job_id)
    assert detail["job"]["state"] == "running"
    assert [task["name"] for task in detail["tasks"] if task["state"] == "ready"] == ["export"]
    attempt = farm.store.start_attempt(f"{job_id}.export", "r2")
    farm.store.commit_attempt(attempt.id, [farm.artifacts.write(f"jobs/{job_id}/new.mp4", b"export", name="video")])
    assert client.artifact(job_id) == b"export" and client.job(job_id)["job"]["state"] == "completed"


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_picture_that_is_gone_cannot_be_made_again(farm: LiveFarm, client: FarmClient, damage: str):
    job_id = client.submit(picture(), FIELDS)["id"]
    path = farm.artifacts.path(farm.store.artifacts(job_id)["image"].key)
    path.unlink() if damage == "gone" else path.write_bytes(b"x")
    with pytest.raises(NotFoundError, match="can't be made again"):
        client.artifact(job_id, "image")


def test_a_file_is_checked_again_only_when_it_changes(farm: LiveFarm, client: FarmClient, monkeypatch):
    job_id = client.submit(picture(), FIELDS)["id"]
    hashed: list[object] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashed.append(file) or digest(file, kind))
    for _ in range(3):
        client.artifact(job_id, "image")
    assert len(hashed) == 1
    os.utime(farm.artifacts.path(farm.store.artifacts(job_id)["image"].key))
    client.artifact(job_id, "image")
    assert len(hashed) == 2


def test_a_database_that_is_away_is_said_with_when_to_come_back(farm: LiveFarm, client: FarmClient, monkeypatch):
    def away(*args: object, **options: object) -> None:
        raise DatabaseError("the database can't be used: connection refused.")

    monkeypatch.setattr(farm.store, "page", away)
    answer = httpx.get(f"{farm.url}/api/v1/jobs", headers={"Authorization": f"Bearer {farm.token}"})
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    with pytest.raises(DatabaseError):
        client.jobs()
    health = httpx.get(f"{farm.url}/api/v1/health")
    assert (health.status_code, health.json()["status"]) == (503, "degraded")


def test_a_job_of_another_version_is_shown_with_its_reason_and_hinders_no_other(farm: LiveFarm, client: FarmClient):
    strange = client.submit(picture(), FIELDS | {"name": "strange"})["id"]
    database = Database(farm.settings.database_url)
    fields = json.dumps({"prompt": "x", "hologram": 1})
    change = text("UPDATE jobs SET request = :fields, plan = '{}' WHERE id = :id")
    database.write(lambda c: c.execute(change, {"fields": fields, "id": strange}))
    database.close()
    fine = client.submit(picture(), FIELDS)["id"]
    listed = {job["id"]: job for job in client.jobs()["jobs"]}
    assert listed[fine]["unreadable"] == "" and "hologram" in listed[strange]["unreadable"]
    shown = client.job(strange)
    assert shown["plan"] is None and shown["job"]["name"] == "strange" and shown["job"]["request"]["hologram"] == 1
    assert client.cancel(strange)["state"] == "cancelled"
    client.delete(strange)
