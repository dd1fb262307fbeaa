"""People with roles, over HTTP."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from farm.client import FarmClient
from farm.errors import AuthError, FarmError, ForbiddenError, NotFoundError
from farm.store.jobs import JobStore
from farm.tokens import ensure_token
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 1.2, "steps": 1, "seed": 5}


@pytest.fixture(scope="module")
def tokens(farm: LiveFarm) -> dict[str, str]:
    with farm.client() as client:
        return {name: client.add_user(name, role)["token"] for name, role in ROLES.items()}


ROLES = {"vera": "viewer", "ann": "artist", "ben": "artist", "ada": "admin"}


@pytest.fixture
def people(farm: LiveFarm, tokens: dict[str, str]) -> Iterator[dict[str, FarmClient]]:
    made = {name: farm.client(token) for name, token in tokens.items()}
    yield made
    for each in made.values():
        each.close()


def test_a_job_is_its_senders_and_nobody_elses(people: dict[str, FarmClient], client: FarmClient) -> None:
    job = people["ann"].submit(picture(), FIELDS)
    assert job["owner"] == "ann" and people["ann"].me() == {"name": "ann", "role": "artist", "known": True}
    with pytest.raises(ForbiddenError, match="leave it out"):
        people["ann"].submit(picture(), FIELDS | {"owner": "ben"})
    with pytest.raises(ForbiddenError, match="leave it out"):
        people["ann"].take(job["id"], from_section=0, changes={"owner": "ben"})
    for change in (
        lambda other: other.cancel(job["id"]),
        lambda other: other.change(job["id"], priority=99),
        lambda other: other.move(job["id"], "first"),
        lambda other: other.take(job["id"], from_section=0),
        lambda other: other.delete(job["id"]),
    ):
        with pytest.raises(ForbiddenError, match="that is ann's"):
            change(people["ben"])
        with pytest.raises(ForbiddenError, match="vera is a viewer"):
            change(people["vera"])
    refused = people["ben"].act("cancel", [job["id"]])
    assert refused["done"] == [] and "that is ann's" in refused["refused"][0]["message"]
    assert people["vera"].job(job["id"])["job"]["state"] == "pending"
    assert people["ann"].change(job["id"], priority=60)["priority"] == 60
    assert people["ada"].cancel(job["id"])["state"] == "cancelled"
    assert people["ada"].submit(picture(), FIELDS | {"owner": "ben"})["owner"] == "ben"
    assert client.submit(picture(), FIELDS)["owner"] == "local", "the farm's own token is as it was"


def test_looking_is_everybodys_and_machines_and_people_are_admins(people: dict[str, FarmClient]) -> None:
    for name in ("vera", "ann"):
        assert people[name].jobs()["total"] >= 1 and isinstance(people[name].nodes(), list)
        assert people[name].check(picture(), FIELDS)["plan"]["sections"] == 1
        for asked in (people[name].users, people[name].audit, people[name].free_disk):
            with pytest.raises(ForbiddenError, match="takes an admin"):
                asked()
        with pytest.raises(ForbiddenError):
            people[name].change_owner(name, weight=9)
    with pytest.raises(ForbiddenError, match="takes an artist"):
        people["vera"].submit(picture(), FIELDS)
    assert [user["name"] for user in people["ada"].users()] == sorted(ROLES)
    assert people["ada"].change_owner("ann", weight=2)["weight"] == 2


def test_every_change_is_in_the_audit_with_who_asked_for_it(people: dict[str, FarmClient]) -> None:
    job = people["ann"].submit(picture(), FIELDS)["id"]
    with pytest.raises(ForbiddenError):
        people["ben"].cancel(job)
    people["ann"].cancel(job)
    lines = [(line["who"], line["what"], line["status"]) for line in people["ada"].audit(limit=3)]
    path = f"POST /api/v1/jobs/{job}/cancel"
    assert lines == [("ann", path, 200), ("ben", path, 403), ("ann", "POST /api/v1/jobs", 201)]
    assert all(line["who"] == "ann" for line in people["ada"].audit("ann"))


def test_whoever_has_an_answer_finds_its_line(people: dict[str, FarmClient], monkeypatch: pytest.MonkeyPatch) -> None:
    put = JobStore.put_audit

    def slowly(store: JobStore, *line: Any) -> None:
        time.sleep(0.5)
        put(store, *line)

    monkeypatch.setattr(JobStore, "put_audit", slowly)
    job = people["ann"].submit(picture(), FIELDS)["id"]
    assert people["ada"].audit(limit=1)[0]["what"] == "POST /api/v1/jobs"
    people["ann"].cancel(job)
    assert people["ada"].audit(limit=1)[0]["what"] == f"POST /api/v1/jobs/{job}/cancel"


def test_what_machines_say_of_themselves_is_not_in_the_audit(farm: LiveFarm, client: FarmClient) -> None:
    before = client.audit()
    token = ensure_token(farm.settings.node_token_path)
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{farm.url}/api/v1/join/probe", headers=headers, json={"ports": []})
    assert answer.status_code < 500 and answer.status_code != 401
    assert client.audit() == before


def test_tokens_end_and_the_farms_own_may_ask_for_somebody(farm: LiveFarm, client: FarmClient) -> None:
    made = client.add_user("temp/ör", "viewer")
    with farm.client(made["token"]) as temp:
        assert temp.me()["name"] == "temp/ör"
        with FarmClient(farm.url, farm.token, user="temp/ör") as instead:
            assert instead.me() == temp.me()
            with pytest.raises(ForbiddenError):
                instead.submit(picture(), FIELDS)
            with FarmClient(farm.url, made["token"], user="ada") as sly:
                assert sly.me()["name"] == "temp/ör", "only whoever has the farm may ask as another"
            again = client.new_user_token("temp/ör")["token"]
            with pytest.raises(AuthError):
                temp.me()
            assert farm.client(again).me()["role"] == "viewer"
            client.remove_user("temp/ör")
            with pytest.raises(AuthError, match="sign in again"):
                instead.me()
    with pytest.raises(NotFoundError):
        client.remove_user("temp")


def test_every_route_that_changes_something_takes_a_role(farm: LiveFarm, tokens: dict[str, str]) -> None:
    """A viewer's token opens nothing but questions, whatever routes there will be."""
    headers = {"Authorization": f"Bearer {tokens['vera']}"}
    for path, operations in farm.app.openapi()["paths"].items():
        for method in operations.keys() - {"get", "head"}:
            answer = httpx.request(method, farm.url + path.replace("{", "x").replace("}", ""), headers=headers)
            assert answer.status_code == 403 or "/plan" in path, (method, path, answer.status_code)


def test_forbidden_is_its_own_error() -> None:
    assert issubclass(ForbiddenError, FarmError) and ForbiddenError.status == 403
