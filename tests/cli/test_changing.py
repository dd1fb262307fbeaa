"""farm change over a real server."""

from datetime import datetime, timedelta

import pytest

from farm.cli.changing import read_moment
from farm.errors import InputError
from tests.support.api import LiveFarm, picture


@pytest.fixture
def job(run, farm: LiveFarm, tmp_path) -> str:
    (tmp_path / "start.png").write_bytes(picture())
    fields = ["-p", "Waves", "-s", "1.2", "--steps", "1", "--seed", "-1", "--name", "Waves"]
    return str(run("submit", tmp_path / "start.png", *fields).out.strip())


def test_priority_name_and_deadline_change_and_nothing_else(run, farm: LiveFarm, job: str) -> None:
    before = farm.store.get_job(job)
    outcome = run("change", job, "--priority", "90", "--name", "Bows", "--deadline", "+2h", "--mix-devices")
    assert outcome.code == 0, outcome.err
    after = farm.store.get_job(job)
    assert (after.priority, after.name, after.mixing) == (90, "Bows", True)
    assert after.deadline and abs(after.deadline - before.created_at - timedelta(hours=2)) < timedelta(minutes=5)
    assert after.job_order.priority == 90 and after.request == before.request
    assert [task.key for task in farm.store.tasks(job)] == [task.key for task in farm.store.tasks(job)]
    (queued,) = farm.store.queued([job])
    assert (queued.priority, queued.deadline, queued.mixing) == (90, after.deadline, True)
    assert "changed: " in farm.store.events(job)[-1].message
    run("change", job, "--deadline", "none")
    assert farm.store.get_job(job).deadline is None


def test_what_has_ended_only_gets_another_name(run, farm: LiveFarm, job: str) -> None:
    farm.store.cancel_job(job)
    assert run("change", job, "--name", "Kept").code == 0
    outcome = run("change", job, "--priority", "3")
    assert outcome.code == 1 and "is cancelled, so it can't be changed" in outcome.err
    assert farm.store.get_job(job).name == "Kept"


def test_nothing_to_change_is_said(run, farm: LiveFarm, job: str) -> None:
    outcome = run("change", job)
    assert outcome.code == 2 and "nothing to change" in outcome.err


def test_moments_are_read() -> None:
    now = datetime.now().astimezone()
    soon = datetime.fromisoformat(str(read_moment("+90m")))
    assert timedelta(minutes=89) < soon - now < timedelta(minutes=91)
    assert read_moment("none") is None
    assert read_moment("2026-12-01T08:00+01:00") == "2026-12-01T08:00:00+01:00"
    tomorrow = datetime.fromisoformat(str(read_moment("00:00")))
    assert timedelta(0) < tomorrow - now <= timedelta(days=1)
    for text in ("soon", "25:00", "+3", "2026-13-01"):
        with pytest.raises(InputError):
            read_moment(text)
