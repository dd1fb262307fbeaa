"""The event stream over a real connection."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from farm.api import following
from farm.client import FarmClient
from farm.errors import DatabaseError, NotFoundError
from farm.jobs.records import Artifact, FailureKind
from tests.support.api import LiveFarm, live_farm
from tests.support.clips import flat

DRAWN = flat("teal")
"""A picture of which there is nothing to note."""
FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 4, "seed": 5}


def finish(farm: LiveFarm, job_id: str) -> None:
    """Commit every task, with empty files, as replicas would."""
    while ready := [task for task, job in farm.store.ready_tasks() if job.id == job_id]:
        attempt = farm.store.start_attempt(ready[0].id, "r1")
        name = "video" if ready[0].name == "export" else ready[0].name
        farm.store.commit_attempt(attempt.id, [Artifact(name, f"jobs/{job_id}/{name}", 0, "0" * 64)])


def test_stream_tells_history_then_progress_then_the_end(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(DRAWN, FIELDS)["id"]
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
    job_id = client.submit(DRAWN, FIELDS)["id"]
    client.cancel(job_id)
    told = [m for m in client.events(job_id) if m["id"]]
    assert [m["event"] for m in told] == ["job_created", "job_cancelled"]
    assert [m["event"] for m in client.events(job_id, after=told[0]["id"])] == ["job_cancelled", "end"]
    assert [m["event"] for m in client.events(job_id, after=told[1]["id"])] == ["end"]


def test_quiet_stream_sends_heartbeats(farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.02)
    job_id = client.submit(DRAWN, FIELDS)["id"]
    headers = {"Authorization": f"Bearer {farm.token}"}
    with httpx.stream("GET", f"{farm.url}/api/v1/jobs/{job_id}/events", headers=headers, timeout=10) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert sum(1 for line, _ in zip((x for x in lines if x == ": heartbeat"), range(3), strict=False)) == 3


def test_stream_of_a_deleted_job_ends(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(DRAWN, FIELDS)["id"]
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
    monkeypatch.setattr("farm.client.jobs.RECONNECT_SECONDS", 0.05)
    with live_farm(tmp_path) as farm:
        client = farm.client()
        job_id = client.submit(DRAWN, FIELDS)["id"]
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


def test_many_idle_readers_cost_one_look_at_the_store(
    farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch
):
    """200 readers of waiting jobs took 95% of a core once: each asked the store four times a second."""
    jobs = [client.submit(DRAWN, FIELDS)["id"] for _ in range(4)]
    looks: list[int] = []
    reads: list[str] = []
    kept: list[Iterator[str]] = []
    glance, get_job = farm.store.glance, farm.store.get_job
    monkeypatch.setattr(farm.store, "glance", lambda ids: looks.append(len(ids)) or glance(ids))
    monkeypatch.setattr(farm.store, "get_job", lambda job_id: reads.append(job_id) or get_job(job_id))
    headers = {"Authorization": f"Bearer {farm.token}"}
    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(headers=headers, timeout=30, limits=httpx.Limits(max_connections=None)))
        for index in range(80):
            url = f"{farm.url}/api/v1/jobs/{jobs[index % 4]}/events"
            answer = stack.enter_context(http.stream("GET", url))
            kept.append(lines := answer.iter_lines())  # which hangs up when it is forgotten
            while "event: progress" not in next(lines):
                pass
        time.sleep(0.5)
        looks.clear()
        reads.clear()
        time.sleep(1.5)
        assert 2 <= len(looks) <= 8 and set(looks) == {4} and reads == []
        client.cancel(jobs[0])
        time.sleep(0.6)
        assert reads.count(jobs[0]) <= 2 and set(reads) == {jobs[0]}


def test_readers_are_bounded(farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "MOST_READERS", 2)
    job_id = client.submit(DRAWN, FIELDS)["id"]
    url = f"{farm.url}/api/v1/jobs/{job_id}/events"
    headers = {"Authorization": f"Bearer {farm.token}"}
    with httpx.stream("GET", url, headers=headers) as one, httpx.stream("GET", url, headers=headers) as two:
        kept = [one.iter_lines(), two.iter_lines()]
        assert all(next(lines) for lines in kept)
        refused = httpx.get(url, headers=headers)
        assert refused.status_code == 503 and refused.headers["retry-after"]
        assert "readers follow jobs already" in refused.json()["error"]["message"]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with httpx.stream("GET", url, headers=headers) as later:
            if later.status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the places of readers that left were not free again")


def test_a_long_history_is_told_whole_and_once(farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "PAGE", 50)
    job_id = client.submit(DRAWN, FIELDS)["id"]
    for number in range(130):
        farm.store.add_event(job_id, "note", str(number))
    client.cancel(job_id)
    told = [m["data"]["message"] for m in client.events(job_id) if m["event"] == "note"]
    assert told == [str(number) for number in range(130)]


def test_streams_end_when_the_database_goes_and_go_on_when_it_is_back(
    farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farm.client.jobs.RECONNECT_SECONDS", 0.05)
    job_id = client.submit(DRAWN, FIELDS)["id"]
    stream = client.events(job_id)
    assert next(stream)["event"] == "job_created"
    glance = farm.store.glance

    def away(ids: object) -> None:
        monkeypatch.setattr(farm.store, "glance", glance)
        raise DatabaseError("the database is away")

    monkeypatch.setattr(farm.store, "glance", away)
    farm.store.add_event(job_id, "note", "while it was away")
    client.cancel(job_id)
    assert [m["event"] for m in stream if m["event"] != "progress"] == ["note", "job_cancelled", "end"]


def test_history_says_where_replicas_are(farm: LiveFarm, client: FarmClient):
    farm.store.upsert_replica("replica-4f4f4f-1", "4f" * 28, "cpu", "idle", more={"host": "studio-1", "seat": "cpu-0"})
    job_id = client.submit(DRAWN, FIELDS)["id"]
    farm.store.start_attempt(f"{job_id}.encode", "replica-4f4f4f-1")
    client.cancel(job_id)
    told = next(m["data"] for m in client.events(job_id) if m["event"] == "attempt_started")
    assert told["message"] == "encode started on studio-1 cpu-0" and told["data"]["replica"] == "replica-4f4f4f-1"
