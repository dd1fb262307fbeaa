"""What a machine checks before it joins, against a real API of a farm without Ray."""

import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from farm.checks import Check, State
from farm.errors import AuthError, InputError
from farm.joining import checks
from farm.joining.card import Card, Cluster, forget_cluster, write_cluster
from farm.joining.checks import CHECKS, Joining, run_checks
from farm.joining.head import Head, HeadGoneError
from farm.joining.ports import Ports, is_loopback, listening, own_addresses, unreachable
from farm.joining.service import install, keep_token, options_for, token_for
from farm.joining.versions import Versions, code_digest
from farm.settings import Settings
from farm.tokens import ensure_token
from tests.support.api import LiveFarm, live_farm


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    with live_farm(tmp_path_factory.mktemp("head")) as farm:
        yield farm


@pytest.fixture
def token(served: LiveFarm) -> str:
    return ensure_token(served.settings.node_token_path)


@pytest.fixture
def gcs(served: LiveFarm) -> Iterator[Ports]:
    """The ports of a Ray that others may join: listeners stand in for its processes."""
    ports = Ports(17379)
    with listening((ports.gcs, *ports.answering)) as taken:
        assert not taken
        write_cluster(served.settings, Cluster(f"127.0.0.1:{ports.gcs}", ports.first, "first"))
        yield ports
    forget_cluster(served.settings)


@pytest.fixture(autouse=True)
def section_of_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has none, and nobody renders one."""
    monkeypatch.setattr(checks, "SECTION_SECONDS", 0.0)


def found(joining: Joining) -> dict[str, Check]:
    return {check.name: check for check in run_checks(joining)}


def joining_at(served: LiveFarm, token: str, settings: Settings, first: int = 18379) -> Joining:
    return Joining(settings, Head(served.url, token), Ports(first))


def test_everything_is_well(served: LiveFarm, token: str, gcs: Ports, settings: Settings) -> None:
    joining = joining_at(served, token, settings)
    results = found(joining)
    assert list(results) == list(CHECKS)
    assert {name for name, check in results.items() if check.state is State.FAILED} == set()
    assert float(settings.speed_path.read_text()) > 0, "the section says how fast a core is"
    options = options_for(joining, "10.0.0.3", None, None)
    assert options.cores >= 1 and options.cpu_class == "" and options.head == served.url


def test_the_nodes_token_opens_joining_and_nothing_else(served: LiveFarm, token: str) -> None:
    assert Head(served.url, token).card().clock == pytest.approx(time.time(), abs=5)
    with pytest.raises(AuthError, match="farm token --node"):
        Head(served.url, served.token).card()
    with pytest.raises(AuthError):
        served.client(token).jobs()


def test_a_closed_head_and_a_missing_one_stop_the_checks(served: LiveFarm, token: str, settings: Settings) -> None:
    forget_cluster(served.settings)
    closed = found(joining_at(served, token, settings))
    assert list(closed) == ["head"] and "farm up --host" in closed["head"].remedy
    nobody = found(Joining(settings, Head("127.0.0.1:9", token), Ports()))
    assert list(nobody) == ["head"] and "does not answer" in nobody["head"].finding
    with pytest.raises(HeadGoneError):
        Head("127.0.0.1:9", token).card()


def test_what_differs_is_named(served: LiveFarm, token: str, gcs: Ports, settings: Settings) -> None:
    joining = joining_at(served, token, settings)
    told = joining.told()
    other = replace(told.versions, torch="2.12.0", code="0123456789abcdef")
    joining.card = replace(told, versions=other, clock=told.clock - 90, section="f" * 64)
    results = found(joining)
    assert "torch 2.13" in results["versions"].finding and "2.12.0 there" in results["versions"].finding
    assert results["clock"].state is State.FAILED and "90 s ahead" in results["clock"].finding
    assert results["a section"].state is State.WARNING
    assert options_for(joining, "10.0.0.3", 2, 0).cpu_class == joining.section[:6]


def test_ports_that_are_taken_or_closed_are_named(
    served: LiveFarm, token: str, gcs: Ports, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    joining = joining_at(served, token, settings, 19379)
    port = joining.ports.answering[1]
    with socket.socket() as taken:
        taken.bind(("", port))
        taken.listen()
        check = CHECKS["ports here"](joining)
    assert check.state is State.FAILED and f"{port} (Address already in use)" in check.finding
    joining.card = replace(joining.told(), cluster=Cluster("127.0.0.1:9", 9, "x"))
    check = CHECKS["ports of the head"](joining)
    assert (
        check.state is State.FAILED
        and "127.0.0.1:9 (Connection refused)" in check.finding
        and "TCP 9 to" in check.remedy
    )
    monkeypatch.setattr(joining.head, "probe", lambda ports: {ports[0]: "timed out"})
    check = CHECKS["ports here"](joining)
    assert check.state is State.FAILED and "can't reach 19380 (timed out)" in check.finding


def test_a_check_that_breaks_is_a_failed_one(
    served: LiveFarm, token: str, gcs: Ports, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(joining: Joining) -> Check:
        raise OSError("no such disk")

    monkeypatch.setattr(checks, "CHECKS", {"head": CHECKS["head"], "disk": broken, "clock": CHECKS["clock"]})
    results = found(joining_at(served, token, settings))
    assert results["disk"].finding == "OSError: no such disk" and results["clock"].state is State.OK


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("studio", "http://studio:8000"),
        ("10.0.0.2:9000", "http://10.0.0.2:9000"),
        ("https://farm.example", "https://farm.example:443"),
        ("http://[fe80::1]:8000/", "http://[fe80::1]:8000"),
    ],
)
def test_heads_by_address(address: str, url: str) -> None:
    assert Head(address, "t").url == url


@pytest.mark.parametrize("address", ["", "studio:port", "studio:99999", "ftp://studio", "http://studio/x", "a b:1/2"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="HOST or HOST:PORT"):
        Head(address, "t")


def test_cards_travel_whole(settings: Settings) -> None:
    write_cluster(settings, Cluster("10.0.0.2:6379", 6379, "s"))
    card = Card.of_head(settings, "secret")
    assert card.cluster == Cluster("10.0.0.2:6379", 6379, "s") and card.artifacts_url == "" and card.section == ""
    assert Card.from_dict(card.to_dict()) == card
    shared = replace(settings, artifacts_url="s3://bucket/farm")
    assert Card.of_head(shared, "secret").artifacts_url == "s3://bucket/farm"
    with pytest.raises(KeyError):
        Card.from_dict({"versions": asdict(card.versions)})


def test_versions_of_one_installation_are_equal() -> None:
    assert Versions.here().differences(Versions.here()) == {}
    assert len(code_digest()) == 16 and "+" not in Versions.here().torch


def test_ports_do_not_overlap() -> None:
    ports = Ports(7000)
    numbers = [ports.gcs, *ports.node.values(), *ports.workers]
    assert len(set(numbers)) == len(numbers) and set(ports.answering) <= set(numbers)
    assert unreachable("127.0.0.1", (9,))[9] == "Connection refused"
    assert is_loopback("127.0.0.5") and is_loopback("localhost") and is_loopback("::1") and not is_loopback("0.0.0.0")
    assert all(not is_loopback(address) for address in own_addresses())


def test_the_token_is_kept_for_the_owner_alone(settings: Settings) -> None:
    with pytest.raises(AuthError, match="farm token --node"):
        token_for(settings, " ")
    keep_token(settings, "abc")
    assert token_for(settings, "") == "abc" and token_for(settings, "new") == "new"
    assert settings.node_token_path.stat().st_mode & 0o777 == 0o600


def test_the_unit_of_systemd_joins_at_every_start(
    served: LiveFarm, token: str, gcs: Ports, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    unit = install(settings, options_for(joining_at(served, token, settings), "10.0.0.3", 2, None))
    text = unit.read_text()
    assert unit.parent == tmp_path / "user" / ".config" / "systemd" / "user"
    assert f"FARM_HOME={settings.home}" in text and "--stay --anyway --address=10.0.0.3 --cores=2" in text
    assert token not in text and "Restart=always" in text


def test_who_asks_whether_it_was_seen_is_looked_for(served: LiveFarm, token: str) -> None:
    before = served.nudges
    assert not Head(served.url, token).sees("just-started") and served.nudges == before + 1
