"""The agent of a machine, beside a head that answers in this process."""

from types import SimpleNamespace
from typing import Any

import pytest

from farm.joining import agent
from farm.joining.agent import JOINED, Agent, NodeOptions
from farm.joining.card import Cluster
from farm.settings import Settings

CLUSTER = Cluster("10.0.0.1:6379", 6379, "one")


def watched(settings: Settings, sees: bool, answers: int) -> tuple[Agent, str]:
    """An agent whose Ray runs and whose head ``sees`` it or not, until it has answered so often; why it ended."""
    settings.ensure_home()
    settings.node_token_path.write_text("token")
    made = Agent(settings, NodeOptions("10.0.0.1", "10.0.0.2", 1))

    def card(seconds: float) -> Any:
        nonlocal answers
        answers -= 1
        if not answers:
            made._leaving.set()
        return SimpleNamespace(cluster=CLUSTER)

    made._head = SimpleNamespace(sees=lambda host: sees, card=card, url="http://10.0.0.1:8000")  # type: ignore[assignment]
    ray: Any = SimpleNamespace(alive=True, last_words="")
    return made, made._watch(ray, CLUSTER)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(agent, "START_LOOK_SECONDS", 0.0)


def test_processes_that_the_head_never_sees_are_started_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "SEEN_SECONDS", 0.0)
    _, why = watched(settings, sees=False, answers=3)
    assert "the head does not see them" in why and "ports" in why


def test_one_that_was_seen_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SEEN_SECONDS", 0.0)
    made, why = watched(settings, sees=True, answers=3)
    assert why == "it was told to leave" and made._state.state == JOINED
