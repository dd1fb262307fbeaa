"""Values that no person sends: whatever they are, the farm answers with a clear refusal, on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.api import LiveFarm, live_farm, picture

IDS = ["a\0b", "a\nb", "..", "a'--", "x" * 65, "%", "猫", "a b", "\ud800".encode("utf-8", "surrogatepass")]
NUMBERS = ["-1", "9223372036854775807", "9223372036854775808", "1e400", "NaN", "0x10", "1.5", "", "９"]
TEXTS = ["a\0b", "\x1b[2J", "\x7f", "a\r\nb"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hostile(request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory) -> Iterator[LiveFarm]:
    from tests.support import postgres

    url = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_PUPPET_PATH", str(checkpoint))
        home = tmp_path_factory.mktemp("hostile") / "home"
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            with postgres.schema(server) as url, live_farm(home, database_url=url) as farm:
                yield farm
        else:
            with live_farm(home) as farm:
                yield farm


@pytest.fixture
def http(hostile: LiveFarm) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {hostile.token}"}
    with httpx.Client(base_url=f"{hostile.url}/api/v1", headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def job(hostile: LiveFarm) -> str:
    """Of one pending job, which a test may cancel."""
    with hostile.client() as client:
        return str(client.submit(picture(), {"prompt": "p", "total_second_length": 1.2})["id"])


def check(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    error = answer.json()["error"]
    assert error["message"] and "\n" not in error["message"]


@pytest.mark.parametrize("job_id", IDS)
def test_no_job_has_such_an_id(http: httpx.Client, job_id: str | bytes) -> None:
    path = quote(job_id, safe="")
    for method, rest in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/events"),
        ("GET", "/artifacts/video"),
        ("GET", "/sections/0/preview"),
        ("POST", "/cancel"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/retry"),
    ):
        if path != ".." or rest:  # which a client resolves by itself
            check(http.request(method, f"/jobs/{path}{rest}"))


@pytest.mark.parametrize("text", TEXTS)
def test_no_query_holds_control_characters(http: httpx.Client, text: str) -> None:
    for name in ("text", "owner"):
        check(http.get("/jobs", params={name: text}))


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_bounded(http: httpx.Client, job: str, number: str) -> None:
    check(http.get("/jobs", params={"limit": number}))
    check(http.get("/jobs", params={"offset": number}))
    check(http.get(f"/jobs/{job}/events", params={"after": number}))
    check(http.get(f"/jobs/{job}/sections/{quote(number) or '%20'}/preview"))


@pytest.mark.parametrize("last", ["-1", "x", "9" * 30, "1 2", "\u0661".encode()])
def test_the_last_event_is_a_number(http: httpx.Client, job: str, last: str | bytes) -> None:
    check(http.get(f"/jobs/{job}/events", headers={"Last-Event-ID": last}))


def test_a_large_last_event_is_just_late(hostile: LiveFarm, http: httpx.Client, job: str) -> None:
    http.post(f"/jobs/{job}/cancel")
    for last in ("4294967295", "9999999999", ""):
        with http.stream("GET", f"/jobs/{job}/events", headers={"Last-Event-ID": last}) as answer:
            assert answer.status_code == 200 and "event: end" in "".join(answer.iter_text())


@pytest.mark.parametrize("field", ["prompt", "n_prompt", "name", "owner", "preset", "order", "model_type", "exporter"])
@pytest.mark.parametrize("text", [*TEXTS[:3], "\ud800"])
def test_no_field_of_a_job_holds_control_characters(http: httpx.Client, field: str, text: str) -> None:
    request = json.dumps({"prompt": "p", "total_second_length": 1.2, field: f"a{text}"})
    for path in ("/jobs", "/plan"):
        check(http.post(path, data={"request": request}, files={"image": picture()}))


@pytest.mark.parametrize("body", ["[" * 100_000, "{", "null", '"x"', "1e999", '{"prompt": 1e999}', "\0", ""])
def test_a_request_that_is_no_object_is_refused(http: httpx.Client, body: str) -> None:
    check(http.post("/jobs", data={"request": body}, files={"image": picture()}))


@pytest.mark.parametrize("key", ["a\tb", "x" * 201, "é".encode("latin-1")])
def test_keys_are_printable(http: httpx.Client, key: str | bytes) -> None:
    request = {"request": json.dumps({"prompt": "p", "total_second_length": 1.2})}
    check(http.post("/jobs", data=request, files={"image": picture()}, headers={"Idempotency-Key": key}))


def test_a_byte_order_mark_before_the_request_is_fine(http: httpx.Client) -> None:
    request = "\ufeff" + json.dumps({"prompt": "p", "total_second_length": 1.2})
    assert http.post("/jobs", data={"request": request}, files={"image": picture()}).status_code == 201


def test_names_in_any_script_come_back_as_they_were(hostile: LiveFarm, http: httpx.Client) -> None:
    with hostile.client() as client:
        job = client.submit(picture(), {"prompt": "p", "name": "猫のダンス/第1話", "total_second_length": 1.2})
    detail = http.get(f"/jobs/{job['id']}").json()
    assert detail["job"]["request"]["name"] == "猫のダンス/第1話"
    assert detail["artifacts"][0]["filename"].startswith("猫のダンス-第1話-")
    answer = http.get(f"/jobs/{job['id']}/artifacts/image")
    assert quote("猫のダンス-第1話") in answer.headers["content-disposition"]
