"""The event stream over a real connection."""

import threading
import time

import httpx
import pytest

from farm.api import events
from farm.client import FarmClient
from farm.errors import NotFoundError
from farm.jobs.records import Artifact, FailureKind
from tests.support.api import LiveFarm, live_farm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 4, "seed": 5}


def finish(farm: LiveFarm, job_id: str) -> None:
    """Commit every task, with empty files, as replicas would."""
    while ready := [task for task, job in farm.store.ready_tasks() if job.id == job_id]:
        attempt = farm.store.start_attempt(ready[0].id, "r1")
        name = "video" if ready[0].name == "export" else ready[0].name
        farm.store.commit_attempt(attempt.id, [Artifact(name, f"jobs/{job_id}/{name}", 0, "0" * 64)])


def test_stream_tells_history_then_progress_then_the_end(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS)["id"]
    stream = client.events(job_id)
    first = next(stream)
    assert (first["event"], first["data"]["kind"]) == ("job_created", "job_created") and first["id"] > 0
    now = next(stream)
    assert now["event"] == "progress" and now["id"] == 0
    assert (now["data"]["state"], now["data"]["sections"], now["data"]["sections_done"]) == ("pending", 2, 0)

    attempt = farm.store.start_attempt(f"{job_id}.encode", "r1")
    farm.store.commit_attempt(attempt.id, [])
    section = farm.store.start_attempt(f"{job_id}.section-000", "r1")
    farm.store.report_progress(section.id, 2, 4)
    reached = next(m for m in stream if m["event"] == "progress" and m["data"]["counts"]["steps_done"] == 2)
    assert 0 < reached["data"]["progress"] < 1
    farm.store.fail_attempt(section.id, FailureKind.INTERRUPTION, "gone")

    threading.Thread(target=finish, args=(farm, job_id)).start()
    rest = list(stream)
    assert rest[-1]["event"] == "end"
    assert (rest[-1]["data"]["state"], rest[-1]["data"]["progress"], rest[-1]["data"]["sections_done"]) == (
        "completed",
        1,
        2,
    )
    history = [m["id"] for m in rest if m["id"]]
    assert history == sorted(set(history))
    assert rest[-2]["event"] == "job_completed"


def test_stream_is_taken_up_after_the_last_event_seen(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS)["id"]
    client.cancel(job_id)
    told = [m for m in client.events(job_id) if m["id"]]
    assert [m["event"] for m in told] == ["job_created", "job_cancelled"]
    assert [m["event"] for m in client.events(job_id, after=told[0]["id"])] == ["job_cancelled", "end"]
    assert [m["event"] for m in client.events(job_id, after=told[1]["id"])] == ["end"]


def test_quiet_stream_sends_heartbeats(farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(events, "POLL_SECONDS", 0.02)
    job_id = client.submit(picture(), FIELDS)["id"]
    headers = {"Authorization": f"Bearer {farm.token}"}
    with httpx.stream("GET", f"{farm.url}/api/v1/jobs/{job_id}/events", headers=headers, timeout=10) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert sum(1 for line, _ in zip((x for x in lines if x == ": heartbeat"), range(3), strict=False)) == 3


def test_stream_of_a_deleted_job_ends(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS)["id"]
    stream = client.events(job_id)
    next(stream)
    client.cancel(job_id)
    client.delete(job_id)
    assert list(stream)[-1]["event"] == "end"
    with pytest.raises(NotFoundError):
        next(client.events(job_id))


def test_client_follows_a_job_over_a_server_that_restarts(checkpoint, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The stream goes on on the new server, from where it broke off; nothing is told twice."""
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    monkeypatch.setattr("farm.client.RECONNECT_SECONDS", 0.05)
    with live_farm(tmp_path) as farm:
        client = farm.client()
        job_id = client.submit(picture(), FIELDS)["id"]
        port = int(farm.url.rsplit(":", 1)[1])
        stream = client.events(job_id)
        seen = [next(stream), next(stream)]
    with live_farm(tmp_path, port=port) as farm, farm.client() as second:
        second.cancel(job_id)
        deadline = time.monotonic() + 20
        for message in stream:
            seen.append(message)
            assert time.monotonic() < deadline
    client.close()
    assert [m["event"] for m in seen if m["event"] != "progress"] == ["job_created", "job_cancelled", "end"]
