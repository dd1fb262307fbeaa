"""The door of a running dashboard: who comes in, and what is refused with or without a session."""

import os
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dashboard import credentials
from farm.errors import AuthError
from farm.settings import Settings
from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm

BROWSER = {"Accept": "text/html"}
PATHS = (
    "/",
    "/queue",
    "/_stcore/host-config",
    "/_stcore/metrics",
    "/media/x.mp4",
    "/static/js/index.js",
    "/favicon.png",
)


@pytest.fixture
def client(dashboard_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=dashboard_url, timeout=30) as found:
        yield found


@pytest.fixture
def token(farm: RunningFarm) -> str:
    return farm.settings.token_path.read_text().strip()


@pytest.fixture
def inside(client: httpx.Client, token: str) -> httpx.Client:
    assert client.post("/login", data={"token": token}).status_code == 303
    return client


def session(client: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_gets_nothing(client: httpx.Client, path: str):
    answer = client.get(path)
    assert answer.status_code == 401 and answer.text == "Sign in first."
    assert client.put("/_stcore/upload_file/x/y", content=b"z").status_code == 401


def test_health_is_open_and_says_nothing(client: httpx.Client):
    assert client.get("/_stcore/health").text == "ok"


def test_a_page_shows_the_form_and_leads_on(client: httpx.Client, token: str):
    answer = client.get("/job?id=5&x=%22%3E", headers=BROWSER)
    assert answer.status_code == 401 and 'action="/login?next=%2Fjob%3Fid%3D5%26x%3D%2522%253E"' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    wrong = client.post("/login?next=/job", data={"token": "nonsense"})
    assert wrong.status_code == 401 and "<code>farm token</code> prints it" in wrong.text and not client.cookies
    right = client.post("/login?next=/job%3Fid%3D5", data={"token": f" {token}\n"})
    assert right.status_code == 303 and right.headers["location"] == "/job?id=5"
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and token not in cookie
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/login", "/\n/"])
def test_it_leads_nowhere_else(client: httpx.Client, token: str, onward: str):
    answer = client.post("/login", params={"next": onward}, data={"token": token})
    assert answer.headers["location"] == "/"


def test_a_link_works_once(client: httpx.Client, farm: RunningFarm, dashboard_url: str):
    keys = LoginKeys(farm.settings.login_keys_dir)
    link = keys.link(dashboard_url)
    assert client.get(link).status_code == 303 and client.get("/").status_code == 200
    client.cookies.clear()
    again = client.get(link)
    assert again.status_code == 401 and "has been used, or is too old" in again.text
    old = keys.link(dashboard_url)
    for path in farm.settings.login_keys_dir.iterdir():
        os.utime(path, (0, time.time() - LoginKeys.SECONDS - 1))
    assert client.get(old).status_code == 401
    for key in ("", "x", "../../token", "%00", "a" * 5000):
        assert client.get(f"/login?key={key}").status_code == 401


def test_a_session_ends_with_the_token(inside: httpx.Client, farm: RunningFarm, token: str):
    path = farm.settings.token_path
    try:
        path.write_text("another\n")
        assert inside.get("/").status_code == 401
        path.write_text("")
        assert "has no token" in inside.get("/", headers=BROWSER).text
        assert inside.post("/login", data={"token": ""}).status_code == 401
    finally:
        path.write_text(token + "\n")
    assert inside.get("/").status_code == 200
    inside.get("/logout")
    assert not inside.cookies and inside.get("/").status_code == 401


def test_forged_sessions_are_refused(inside: httpx.Client):
    name, value = next(iter(inside.cookies.items()))
    stamp = value.split(".")
    for forged in ("in", "in..", f"in.{stamp[1]}.x", f"out.{stamp[1]}.{stamp[2]}", f"in.AAAAAA.{stamp[2]}", "é"):
        answer = httpx.get(f"{inside.base_url}", headers={"Cookie": f"{name}={forged}".encode()})
        assert answer.status_code == 401, forged


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "", "a@localhost", "[::1"]
)
def test_a_foreign_name_is_refused_even_with_a_session(inside: httpx.Client, host: str):
    assert inside.get("/", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:8501", "192.168.1.20:8501", "farm.localhost"])
def test_names_of_this_machine_are_fine(inside: httpx.Client, host: str):
    assert inside.get("/", headers={"Host": host, "Cookie": session(inside)}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://[", ""])
def test_other_sites_may_not_write_or_connect(inside: httpx.Client, dashboard_url: str, origin: str):
    headers = {"Origin": origin, "Cookie": session(inside)}
    assert inside.post("/login", headers=headers, data={"token": "x"}).status_code == 403
    assert inside.put("/_stcore/upload_file/x/y", headers=headers).status_code == 403
    with pytest.raises(InvalidStatus):
        connect(stream(dashboard_url), additional_headers=headers, proxy=None).close()


def test_the_stream_wants_a_session(inside: httpx.Client, dashboard_url: str):
    with pytest.raises(InvalidStatus):
        connect(stream(dashboard_url), proxy=None).close()
    own = {"Origin": dashboard_url, "Cookie": session(inside)}
    connect(stream(dashboard_url), additional_headers=own, proxy=None).close()


def stream(url: str) -> str:
    return f"{url.replace('http', 'ws', 1)}/_stcore/stream"


def test_nobody_may_frame_it(inside: httpx.Client):
    for path in ("/", "/_stcore/health", "/login", "/logout"):
        headers = inside.get(path).headers
        assert headers["content-security-policy"] == "frame-ancestors 'none'" and headers["x-frame-options"] == "DENY"


def test_a_form_is_bounded(client: httpx.Client, token: str):
    long = client.post("/login", content=b"x=" + b"y" * 100_000 + b"&token=" + token.encode())
    assert long.status_code == 401
    assert client.request("DELETE", "/login").status_code == 405


def test_hosts_can_be_added(tmp_path):
    environment = {"FARM_HOME": str(tmp_path), "FARM_DASHBOARD_HOSTS": " farm.example.org, Other "}
    assert Settings.from_environment(environment).dashboard_hosts == ("farm.example.org", "other")


def test_a_person_comes_in_with_their_own_token_and_is_told_by_name(
    client: httpx.Client, farm: RunningFarm, token: str
) -> None:
    own = farm.client.add_user("ann", "viewer")["token"]
    try:
        assert client.post("/login", data={"token": own}).status_code == 303
        assert client.get("/").status_code == 200
        (cookie,) = client.cookies.values()
        assert credentials.read(token, cookie) == "ann" and own not in cookie
        assert client.post("/login", data={"token": token}).status_code == 303
        assert credentials.read(token, next(iter(client.cookies.values()))) == ""
    finally:
        farm.client.remove_user("ann")
    client.cookies.clear()
    gone = client.post("/login", data={"token": own})
    assert gone.status_code == 401 and "nor anybody" in gone.text


def test_sessions_tell_people_apart_and_end(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in ("", "ann", "in", "person:in", "Jörg/x.y"):
        assert credentials.read(token, credentials.sign(token, person)) == person
    with pytest.raises(AuthError, match="sign in again"):
        credentials.read("another", credentials.sign(token, "ann"))
    with pytest.raises(AuthError):
        credentials.read("", credentials.sign("", "ann"))
    monkeypatch.setattr(credentials, "SESSION_SECONDS", -1)
    with pytest.raises(AuthError):
        credentials.read(token, credentials.sign(token, "ann"))
