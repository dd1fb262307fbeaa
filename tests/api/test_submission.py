"""Bad input: each case gets the right status and one clear line, and leaves no job behind."""

import json
import stat
import zlib
from pathlib import Path

import httpx
import pytest

from farm.api.paced import MAX_BODY
from farm.client import FarmClient
from farm.errors import AuthError, ClusterError, InputError, NotFoundError, StorageError
from farm.tokens import ensure_token
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 1}


def bomb() -> bytes:
    """A PNG of a few kilobytes that claims 100 megapixels."""
    import struct

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


IMAGES = {
    "no image": (b"this is not a picture", "not an image"),
    "empty": (b"", "empty"),
    "truncated": (picture(300, 300)[:-400], "damaged or cut short"),
    "one pixel": (picture(1, 1), "1x1"),
    "100 megapixels": (bomb(), "megapixel"),
}
REQUESTS = {
    "no prompt": ({"prompt": ""}, "prompt"),
    "blank prompt": ({"prompt": "  \n "}, "prompt"),
    "long prompt": ({"prompt": "x" * 10_000}, "2000"),
    "no length": ({"total_second_length": 0}, "total_second_length"),
    "negative length": ({"total_second_length": -1}, "total_second_length"),
    "length past the limit": ({"total_second_length": 4000}, "total_second_length"),
    "length as text": ({"total_second_length": "long"}, "total_second_length"),
    "unknown preset": ({"preset": "danse"}, "Did you mean 'Dance'.*Available:"),
    "unknown order": ({"order": "bisekt"}, "Did you mean 'bisect'.*Available:"),
    "unknown exporter": ({"exporter": "mp5"}, "Did you mean 'mp4'.*Available:"),
    "unknown model": ({"model_type": "pupet"}, "Did you mean 'puppet'"),
    "unknown key": ({"sedd": 3}, "sedd.*Did you mean 'seed'"),
    "steps": ({"steps": 0}, "steps"),
    "owner": ({"owner": "x" * 81}, "owner"),
}


def check(error: pytest.ExceptionInfo[Exception], client: FarmClient) -> None:
    text = str(error.value)
    assert "\n" not in text and "Traceback" not in text and len(text) < 500
    assert client.jobs()["total"] == 0


@pytest.mark.parametrize("name", IMAGES)
def test_bad_image_is_refused(client: FarmClient, name: str):
    data, expected = IMAGES[name]
    with pytest.raises(InputError, match=expected) as error:
        client.submit(data, FIELDS)
    check(error, client)


@pytest.mark.parametrize("name", REQUESTS)
def test_bad_request_is_refused(client: FarmClient, name: str):
    change, expected = REQUESTS[name]
    with pytest.raises(InputError, match=f"(?s){expected}") as error:
        client.submit(picture(), FIELDS | change)
    check(error, client)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_length_that_is_no_number_is_refused(farm: LiveFarm, client: FarmClient, value: str):
    answer = httpx.post(
        f"{farm.url}/api/v1/jobs",
        headers={"Authorization": f"Bearer {farm.token}"},
        files={"image": picture()},
        data={"request": f'{{"prompt": "x", "total_second_length": {value}}}'},
    )
    assert answer.status_code == 422
    assert "total_second_length" in answer.json()["error"]["message"]
    assert client.jobs()["total"] == 0


@pytest.mark.parametrize("request_json", ["{", "[]", "3", '"x"', "null"])
def test_request_that_is_no_json_object_is_refused(farm: LiveFarm, request_json: str):
    answer = httpx.post(
        f"{farm.url}/api/v1/jobs",
        headers={"Authorization": f"Bearer {farm.token}"},
        files={"image": picture()},
        data={"request": request_json},
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "InputError"
    assert "example" in answer.json()["error"]["message"]


def test_missing_parts_and_bad_parameters_get_one_line(farm: LiveFarm):
    headers = {"Authorization": f"Bearer {farm.token}"}
    answers = [
        httpx.post(f"{farm.url}/api/v1/jobs", headers=headers, data={"request": json.dumps(FIELDS)}),
        httpx.get(f"{farm.url}/api/v1/jobs?limit=0", headers=headers),
        httpx.get(f"{farm.url}/api/v1/jobs?state=sleeping", headers=headers),
        httpx.get(f"{farm.url}/api/v1/plan?seconds=soon", headers=headers),
        httpx.get(f"{farm.url}/api/v1/plan?seconds=nan", headers=headers),
        httpx.get(f"{farm.url}/api/v1/plan?order=none", headers=headers),
    ]
    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert set(answer.json()) == {"error"} and "\n" not in answer.json()["error"]["message"]


@pytest.mark.parametrize("declared", [True, False])
def test_upload_over_the_limit_is_cut_off(farm: LiveFarm, client: FarmClient, declared: bool):
    edge = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    size = MAX_BODY + 1_000_000

    def chunks():
        yield edge
        for _ in range(size // 1_000_000):
            yield bytes(1_000_000)
        yield b"\r\n--b--\r\n"

    body = b"".join(chunks()) if declared else chunks()
    headers = {"Authorization": f"Bearer {farm.token}", "Content-Type": "multipart/form-data; boundary=b"}
    answer = httpx.post(f"{farm.url}/api/v1/jobs", headers=headers, content=body, timeout=30)
    assert answer.status_code == (413 if declared else 411)
    assert ("larger than 100 MB" if declared else "Content-Length") in answer.json()["error"]["message"]
    assert client.health()["status"] == "ok"


@pytest.mark.parametrize("token", ["", "wrong", "schön"])
@pytest.mark.parametrize(
    "path", ["/jobs", "/jobs/x/events", "/jobs/x/artifacts/video", "/presets", "/metrics", "/plan"]
)
def test_nothing_is_told_without_the_right_token(farm: LiveFarm, token: str, path: str):
    headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
    answer = httpx.get(f"{farm.url}/api/v1{path}", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "AuthError"
    assert farm.token not in answer.text


def test_wrong_token_is_an_auth_error_that_says_what_to_do(farm: LiveFarm):
    with farm.client("wrong") as client, pytest.raises(AuthError, match="farm token"):
        client.jobs()
    with farm.client("") as client, pytest.raises(AuthError, match="FARM_TOKEN"):
        client.submit(picture(), FIELDS)


def test_token_is_made_once_for_its_owner_only(tmp_path: Path):
    path = tmp_path / "home" / "token"
    token = ensure_token(path)
    assert len(token) >= 32 and ensure_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    path.write_text("")
    with pytest.raises(StorageError, match="empty"):
        ensure_token(path)


def test_no_farm_running_says_how_to_start_one():
    with (
        FarmClient("http://127.0.0.1:9", "x") as client,
        pytest.raises(ClusterError, match=r"no farm answers.*farm up"),
    ):
        client.jobs()


def test_something_else_at_the_address_is_no_farm(tmp_path: Path):
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with FarmClient(f"http://127.0.0.1:{server.server_port}", "x") as client:
        with pytest.raises(ClusterError, match="not as a farm does"):
            client.jobs()
    server.shutdown()
    server.server_close()


def test_unknown_route_and_job_are_not_found(farm: LiveFarm, client: FarmClient):
    answer = httpx.get(f"{farm.url}/api/v2/jobs", headers={"Authorization": f"Bearer {farm.token}"})
    assert answer.status_code == 404 and answer.json()["error"]["type"] == "NotFoundError"
    for call in (client.job, client.cancel, client.delete, client.artifact):
        with pytest.raises(NotFoundError, match="nosuchjob"):
            call("nosuchjob")


def test_home_that_cannot_be_made_is_a_storage_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="FARM_HOME"):
        ensure_token(tmp_path / "file" / "token")


def test_full_artifact_store_answers_507_and_makes_no_job(
    farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch
):
    """A file stands where the store's folder should be: the same error path as a disk that refuses writes."""
    jobs = farm.settings.artifacts_dir / "jobs"
    for path in jobs.glob("*"):
        path.rmdir()
    jobs.rmdir() if jobs.exists() else None
    jobs.write_text("in the way")
    try:
        with pytest.raises(StorageError, match="can't write"):
            client.submit(picture(), FIELDS)
        assert client.jobs()["total"] == 0
    finally:
        jobs.unlink()


def test_picture_kinds_are_accepted(client: FarmClient):
    for kind in ("PNG", "JPEG", "WEBP"):
        job = client.submit(picture(80, 64, kind), FIELDS)
        assert client.artifact(job["id"], "image") == picture(80, 64, kind)
        client.cancel(job["id"])
        client.delete(job["id"])
