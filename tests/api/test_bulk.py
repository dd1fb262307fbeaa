"""Many jobs at once, and places in the queue, over HTTP."""

import pytest

from farm.client import FarmClient
from farm.errors import ConflictError, InputError, NotFoundError
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 1.2, "steps": 1, "seed": 5, "owner": "bulk"}


def submit(client: FarmClient, count: int) -> list[str]:
    return [client.submit(picture(), FIELDS | {"name": f"job {n}"})["id"] for n in range(count)]


def test_what_fits_is_done_and_the_rest_is_told(farm: LiveFarm, client: FarmClient) -> None:
    ids = submit(client, 4)
    client.cancel(ids[0])
    seen = client.act("pause", [*ids, "nobody"], check=True)
    assert seen["done"] == ids[1:] and [one["id"] for one in seen["refused"]] == [ids[0], "nobody"]
    assert {client.job(job)["job"]["state"] for job in ids[1:]} == {"pending"}
    nudges = farm.nudges
    done = client.act("pause", [*ids, ids[1]])
    assert done["done"] == ids[1:] and "is cancelled" in done["refused"][0]["message"]
    assert farm.nudges == nudges + 1
    assert client.act("change", ids[1:], change={"priority": 80})["done"] == ids[1:]
    assert {client.job(job)["job"]["priority"] for job in ids[1:]} == {80}
    client.act("cancel", ids[1:])
    assert client.act("delete", ids) == {"done": ids, "refused": []}
    assert client.jobs(owner="bulk")["total"] == 0
    assert not any((farm.settings.artifacts_dir / "jobs" / job).exists() for job in ids)


def test_the_queue_is_listed_as_it_runs_and_jobs_are_moved_in_it(client: FarmClient) -> None:
    first, second, third = submit(client, 3)

    def listed(**how: object) -> list[str]:
        return [
            job["id"] for job in client.jobs(owner="bulk", state=["pending", "paused"], sort="place", **how)["jobs"]
        ]

    assert listed() == [first, second, third] and listed(limit=1, offset=1) == [second]
    assert listed(ascending=False) == [third, second, first]
    client.move(third, first)
    client.act("pause", [second])
    assert sorted(listed()) == sorted([first, second, third]) and listed()[-1] == second
    assert client.jobs(begins=first[:10])["jobs"][0]["id"] == first
    with pytest.raises(NotFoundError):
        client.move("nobody", "first")
    client.cancel(second)
    with pytest.raises(ConflictError, match="is cancelled"):
        client.move(second, "last")


@pytest.mark.parametrize(
    "body", [{"action": "explode", "ids": ["a"]}, {"action": "pause", "ids": []}, {"action": "pause", "ids": ["a/b"]}]
)
def test_nonsense_is_refused(client: FarmClient, body: dict) -> None:
    with pytest.raises(InputError):
        client.act(body["action"], body["ids"])
