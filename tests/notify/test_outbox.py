"""What happens reaches whoever wants to know, once, and again when they could not be told."""

import hashlib
import hmac
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from farm.jobs.nodes import Drain, NodeFacts, NodeState
from farm.notify.outbox import Outbox
from farm.settings import Settings
from farm.store import outbox as rows
from farm.store import tables as t
from farm.store.database import Database
from farm.store.jobs import JobStore
from tests.notify.conftest import Ear
from tests.support.jobs import run_all, submit


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.for_home(tmp_path)


def hook(home: Path, ear: Ear, on: str, more: str = "private = true") -> None:
    text = f'[[notify]]\nname = "hook"\non = [{on}]\nurl = "{ear.url}"\nsecret = "s3"\n{more}\n'
    (home / "notify.toml").write_text(text)


def test_the_end_of_a_job_is_told_once_and_signed(settings: Settings, store: JobStore, ear: Ear) -> None:
    hook(settings.home, ear, '"job_completed", "job_cancelled"')
    before = submit(store, name="before")
    store.cancel_job(before.id)
    outbox = Outbox(settings, store)
    outbox.round()
    assert ear.heard == [], "what was before is no news"
    job, other = submit(store, name="Waves", owner="ann"), submit(store)
    run_all(store, job.id)
    for _ in range(3):
        outbox.round()
    Outbox(settings, store).round()
    ((headers, body),) = ear.heard
    (told,) = ear.notices
    assert (told["event"], told["job"], told["name"], told["owner"]) == ("job_completed", job.id, "Waves", "ann")
    assert headers["x-farm-signature"] == f"sha256={hmac.new(b's3', body, hashlib.sha256).hexdigest()}"
    assert headers["x-farm-delivery"] == told["key"]
    store.cancel_job(other.id)
    outbox.round()
    assert [each["event"] for each in ear.notices] == ["job_completed", "job_cancelled"]
    assert [each.state for each in store.newest_deliveries()] == ["sent", "sent"]


def test_one_that_did_not_hear_is_told_again_later(
    settings: Settings, store: JobStore, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(settings.home, ear, '"job_cancelled"')
    outbox = Outbox(settings, store)
    outbox.round()
    ear.answers = [500, 200]
    store.cancel_job(submit(store).id)
    outbox.round()
    outbox.round()
    (waiting,) = store.newest_deliveries()
    assert (waiting.state, waiting.tries) == ("waiting", 1) and "answered 500" in waiting.message
    database = Database(settings.database_url)
    database.write(
        lambda connection: connection.execute(
            update(t.deliveries).values(due_at=waiting.created_at - timedelta(days=1))
        )
    )
    database.close()
    outbox.round()
    (sent,) = store.newest_deliveries()
    assert (sent.state, sent.tries, len(ear.heard)) == ("sent", 2, 2)
    assert ear.notices[0]["key"] == ear.notices[1]["key"]


def test_nobody_tries_for_ever(store: JobStore) -> None:
    store.put_deliveries([("hook", {"key": "k", "event": "disk_low"})])
    for _ in range(len(rows.PAUSES) + 1):
        store.note_delivery("k>hook", "no answer")
    assert store.newest_deliveries()[0].state == "failed"


def test_addresses_of_this_network_are_not_called_unless_allowed(settings: Settings, store: JobStore, ear: Ear) -> None:
    hook(settings.home, ear, '"job_cancelled"', more="")
    outbox = Outbox(settings, store)
    outbox.round()
    store.cancel_job(submit(store).id)
    outbox.round()
    assert ear.heard == [] and "address of this network" in store.newest_deliveries()[0].message


def test_an_empty_queue_runs_a_command_without_the_farms_secrets(
    settings: Settings, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_TOKEN", "secret")
    script = settings.home / "idle.sh"
    script.write_text(f"#!/bin/sh\nenv > {settings.home}/told\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    outbox = Outbox(Settings.from_environment({"FARM_HOME": str(settings.home), "FARM_WHEN_IDLE": str(script)}), store)
    outbox.round()
    assert not (settings.home / "told").exists(), "it was empty before"
    job = submit(store)
    outbox.round()
    store.pause_job(job.id)
    outbox.round()
    told = dict(line.split("=", 1) for line in (settings.home / "told").read_text().splitlines() if "=" in line)
    assert told["NOTICE_EVENT"] == "queue_empty" and told["PATH"] == os.environ["PATH"] and "FARM_TOKEN" not in told
    outbox.round()
    assert len(store.newest_deliveries()) == 1


def test_a_lost_machine_is_told_and_one_that_was_sent_away_is_not(
    settings: Settings, store: JobStore, ear: Ear
) -> None:
    hook(settings.home, ear, '"node_lost"')
    outbox = Outbox(settings, store)
    store.put_facts([NodeFacts("studio-1", "a"), NodeFacts("studio-2", "b")])
    store.drain("studio-2", Drain(by="ann"))
    outbox.round()
    store.put_facts([NodeFacts(host, "a", state=NodeState.GONE) for host in ("studio-1", "studio-2")])
    outbox.round()
    assert [each["message"] for each in ear.notices] == ["studio-1 is gone."]


def test_broken_rules_leave_the_last_good_ones(settings: Settings, store: JobStore, ear: Ear) -> None:
    hook(settings.home, ear, '"job_cancelled"')
    outbox = Outbox(settings, store)
    outbox.round()
    (settings.home / "notify.toml").write_text("nonsense")
    store.cancel_job(submit(store).id)
    outbox.round()
    assert len(ear.heard) == 1


def test_a_command_that_fails_says_why(settings: Settings, store: JobStore) -> None:
    (settings.home / "notify.toml").write_text(
        '[[notify]]\nname = "bad"\non = ["job_cancelled"]\ncommand = ["sh", "-c", "echo no paper >&2; exit 3"]\n'
        '[[notify]]\nname = "none"\non = ["job_cancelled"]\ncommand = ["/no/such"]\n'
    )
    outbox = Outbox(settings, store)
    outbox.round()
    store.cancel_job(submit(store).id)
    outbox.round()
    said = {each.rule: each.message for each in store.newest_deliveries()}
    assert said == {"bad": "sh ended with 3: no paper", "none": "/no/such can't be run: No such file or directory"}
