"""Logs of attempts over HTTP."""

import pytest

from farm.client import FarmClient
from farm.errors import NotFoundError
from farm.jobs.names import attempt_folder, growing_log_key, log_key
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 1}


def test_log_is_read_while_it_grows_and_after_its_end(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS)["id"]
    attempt = farm.store.start_attempt(f"{job_id}.encode", "r1").id
    with pytest.raises(NotFoundError, match="has no log"):
        client.log(job_id, attempt)
    farm.artifacts.write(growing_log_key(attempt_folder(job_id, attempt)), b"begun\n1 of 2\n")
    assert client.log(job_id, attempt) == b"begun\n1 of 2\n"
    assert client.log(job_id, attempt, start=6) == b"1 of 2\n"
    assert client.log(job_id, attempt, start=13) == client.log(job_id, attempt, start=400) == b""
    farm.artifacts.publish(growing_log_key(attempt_folder(job_id, attempt)), log_key(job_id, attempt))
    assert client.log(job_id, attempt, tail=1) == b"1 of 2\n"
    client.cancel(job_id)
    client.delete(job_id)
    assert not farm.artifacts.exists(log_key(job_id, attempt))


def test_log_of_another_jobs_attempt_is_not_shown(farm: LiveFarm, client: FarmClient):
    mine, other = (client.submit(picture(), FIELDS)["id"] for _ in range(2))
    attempt = farm.store.start_attempt(f"{other}.encode", "r1").id
    farm.artifacts.write(log_key(other, attempt), b"private")
    with pytest.raises(NotFoundError, match="has no attempt"):
        client.log(mine, attempt)
