"""The log of an attempt: what was said meanwhile, how it ended, bounded, without secrets, never in the render's way."""

import logging
import threading
import warnings
from pathlib import Path

import pytest

from farm.errors import CancelledError, FarmError
from farm.jobs.names import attempt_folder, growing_log_key, log_key
from farm.jobs.records import AttemptSpec, Job
from farm.store.artifacts.local import LocalStore
from farm.work import logs
from farm.work.executor import TaskExecutor
from farm.work.logs import attempt_log, keep_log, read_log, without_secrets
from farm.work.reference import render_in_process

from .conftest import Farm
from .test_executor import BROKEN, begin


class Alone:
    """One attempt's log in an empty store."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(str(folder))
        self.spec = AttemptSpec("a1", "j1", "encode", None, None, None, None, "", {}, attempt_folder("j1", "a1"), None)  # type: ignore[arg-type]

    def text(self) -> str:
        found = read_log(self.store, "j1", "a1")
        assert found is not None
        return found.decode()


@pytest.fixture
def attempt(tmp_path: Path) -> Alone:
    return Alone(tmp_path)


def test_log_has_what_this_thread_said_and_nobody_else(attempt: Alone):
    def other() -> None:
        logging.getLogger("farm.x").warning("of another job")

    with attempt_log(attempt.store, attempt.spec):
        logging.getLogger("farm.work.x").info("a step of %d", 5)
        logging.getLogger("farm.work.x").debug("too much")
        logging.getLogger("somebody").info("chatter")
        logging.getLogger("somebody").warning("heed this")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        warnings.warn("old ways", FutureWarning, stacklevel=1)
    logging.getLogger("farm.work.x").warning("afterwards")
    lines = [line.split("Z ", 1)[1] for line in attempt.text().splitlines()]
    assert lines[:2] == ["INFO a step of 5", "WARNING heed this"]
    assert len(lines) == 3 and lines[2].startswith("WARNING FutureWarning: old ways (")
    assert logging.getLogger("farm").level == logging.NOTSET


def test_what_ends_an_attempt_is_in_its_log_with_the_traceback(attempt: Alone):
    with pytest.raises(ZeroDivisionError), attempt_log(attempt.store, attempt.spec):
        1 / 0  # noqa: B018
    assert "Traceback" in attempt.text() and attempt.text().rstrip().endswith("ZeroDivisionError: division by zero")
    with pytest.raises(CancelledError), attempt_log(attempt.store, attempt.spec):
        raise CancelledError("encode was asked to stop.")
    assert "stopped: encode was asked to stop." in attempt.text() and "Traceback" not in attempt.text()


def test_log_is_bounded_and_its_ending_is_there_all_the_same(attempt: Alone):
    with pytest.raises(FarmError), attempt_log(attempt.store, attempt.spec):
        for _ in range(1000):
            logging.getLogger("farm").info("x" * 1000)
        raise FarmError("y" * 100_000 + " the end")
    text = attempt.text()
    assert len(text) <= logs.LIMIT + len(logs.LEFT_OUT) and text.count(logs.LEFT_OUT) == 1
    assert text.rstrip().endswith("yy the end")


def test_log_can_be_read_while_it_grows(attempt: Alone):
    with attempt_log(attempt.store, attempt.spec):
        logging.getLogger("farm").info("begun")
        for _ in range(500):
            if attempt.store.exists(growing_log_key(attempt.spec.output_prefix)):
                break
            threading.Event().wait(0.01)
        assert "begun" in attempt.text()


def test_log_that_cannot_be_written_is_no_fault_of_the_attempts(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "jobs").write_text("a file where a folder should be")
    attempt = Alone(tmp_path)
    with attempt_log(attempt.store, attempt.spec):
        logging.getLogger("farm").warning("well")
    assert "can't be written" in caplog.text
    keep_log(attempt.store, "j1", "a1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:hunter2@db/farm", "postgresql://***@db/farm"),
        ("Authorization: Bearer abc.DEF-1", "Authorization: Bearer ***"),
        ("FARM_TOKEN=abcdef and AWS_SECRET_ACCESS_KEY", "FARM_TOKEN=*** and AWS_SECRET_ACCESS_KEY"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
        ("77 tokens of the prompt; section-003", "77 tokens of the prompt; section-003"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str):
    assert without_secrets(text) == shown


def test_every_attempt_of_a_job_keeps_its_log_failed_ones_with_a_plugins_traceback(
    alone: Farm, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FARM_HOME", str(alone.settings.home))
    (alone.settings.plugins_dir / "broken.py").write_text(BROKEN)
    job = alone.job(total_second_length=2.4, steps=1, exporter="broken")
    assert render_in_process(alone.store, alone.artifacts, job.id).state == "failed"
    found = {attempt.id: read_log(alone.artifacts, job.id, attempt.id) for attempt in alone.store.attempts(job.id)}
    assert all(found.values())
    assert all(alone.artifacts.exists(log_key(job.id, attempt)) for attempt in found)
    failed = [attempt for attempt in alone.store.attempts(job.id) if attempt.state == "failed"]
    assert failed
    for attempt in failed:
        text = (found[attempt.id] or b"").decode()
        assert 'raise RuntimeError("the encoder burst")' in text and "broken.py" in text


def test_log_names_steps_and_results(alone: Farm):
    job: Job = alone.job(total_second_length=2.4, steps=2)
    executor = TaskExecutor(alone.artifacts)
    for name in ("encode", "section-000"):
        spec = begin(alone, job, name)
        from farm.work.specs import publish

        made = executor.run(spec)
        alone.store.commit_attempt(spec.attempt_id, publish(alone.artifacts, spec, made))
    text = (read_log(alone.artifacts, job.id, spec.attempt_id) or b"").decode()
    assert "section-000 of job" in text and "2 of 2" in text and "made latents-000" in text
