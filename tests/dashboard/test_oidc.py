"""Signing in by a provider of identities: a real one on loopback, a real dashboard, a real farm."""

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from oidc_provider_mock import User, run_server_in_thread

from dashboard import credentials
from dashboard.oidc import Provider
from farm.errors import InputError
from tests.dashboard.conftest import RunningFarm, answers, wait_for
from tests.support.ports import free_port

BROWSER = {"Accept": "text/html"}
PEOPLE = (
    User(sub="ann", claims={"email": "Ann@example.org", "email_verified": True}),
    User(sub="mallory", claims={"email": "ann@example.org", "email_verified": False}),
    User(sub="stranger", claims={"email": "stranger@example.org", "email_verified": True}),
)


@pytest.fixture(scope="module")
def url(farm: RunningFarm) -> Iterator[str]:
    """Of a dashboard that knows the provider."""
    with run_server_in_thread(user_claims=PEOPLE) as provider:
        port = free_port()
        names = {
            "FARM_OIDC_URL": f"http://127.0.0.1:{provider.server_port}",
            "FARM_OIDC_CLIENT_ID": "farm",
            "FARM_OIDC_CLIENT_SECRET": "hush",
        }
        words = [sys.executable, "-m", "dashboard", str(port)]
        with subprocess.Popen(words, env=farm.environment() | names, stdout=subprocess.DEVNULL) as process:
            found = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(f"{found}/_stcore/health"))
            farm.client.add_user("ann", "artist", "ann@example.org")
            yield found
            farm.client.remove_user("ann")
            process.terminate()


@pytest.fixture
def browser(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60, headers=BROWSER) as found:
        yield found


def go(browser: httpx.Client, who: str, onward: str = "/") -> httpx.Response:
    """What the dashboard says when ``who`` comes back from the provider."""
    there = browser.get("/login/oidc", params={"next": onward}).headers["location"]
    asked = parse_qs(urlsplit(there).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["redirect_uri"][0].endswith("/login/oidc/back")
    back = httpx.post(there, data={"sub": who}, timeout=60).headers["location"]
    return browser.get(back)


def test_who_is_known_comes_in_as_that_person(browser: httpx.Client, farm: RunningFarm) -> None:
    asked = browser.get("/job?id=5")
    assert asked.status_code == 401 and 'href="/login/oidc?next=%2Fjob%3Fid%3D5">Sign in with 127.0.0.1' in asked.text
    answer = go(browser, "ann", "/job?id=5")
    assert (answer.status_code, answer.headers["location"]) == (303, "/job?id=5")
    name = next(name for name in browser.cookies if name.startswith("farm_session"))
    assert credentials.read(farm.settings.token_path.read_text().strip(), browser.cookies[name]) == "ann"
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(("who", "why"), [("mallory", "no verified e-mail"), ("stranger", "farm users email")])
def test_nobody_else_does(browser: httpx.Client, who: str, why: str) -> None:
    answer = go(browser, who)
    assert answer.status_code == 401 and why in answer.text
    assert browser.get("/").status_code == 401


def test_a_way_back_that_began_elsewhere_leads_nowhere(browser: httpx.Client, url: str) -> None:
    there = browser.get("/login/oidc").headers["location"]
    back = httpx.post(there, data={"sub": "ann"}, timeout=60).headers["location"]
    with httpx.Client(base_url=url, timeout=60) as victim:  # who was sent somebody else's link
        assert "began elsewhere" in victim.get(back).text
        victim.get("/login/oidc")
        assert victim.get(back).status_code == 401
    refused = browser.get("/login/oidc/back?error=access_denied&error_description=no")
    assert refused.status_code == 401 and "access_denied" in refused.text
    assert browser.get("/login/oidc?next=//evil.example").status_code == 302


def test_without_a_provider_there_is_none(dashboard_url: str) -> None:
    answer = httpx.get(f"{dashboard_url}/login/oidc", headers=BROWSER, timeout=60)
    assert answer.status_code == 401 and "Sign in with" not in answer.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"FARM_OIDC_URL": "https://id.example"}, "FARM_OIDC_CLIENT_ID and FARM_OIDC_CLIENT_SECRET should be set too"),
        (
            {"FARM_OIDC_URL": "http://id.example", "FARM_OIDC_CLIENT_ID": "a", "FARM_OIDC_CLIENT_SECRET": "b"},
            "begins with https://",
        ),
    ],
)
def test_settings_that_can_not_be_used(given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Provider.from_environment(given, lambda email: "")
