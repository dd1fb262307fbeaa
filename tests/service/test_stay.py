"""A head in the foreground with a token from its environment, as containers have it."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from farm.client import FarmClient
from farm.errors import ConflictError, InputError
from farm.joining.tokens import ensure_node_token
from farm.service import launch
from farm.service.state import READY, is_running, last_state
from farm.settings import Settings
from tests.support.farms import PATIENCE, wait_for
from tests.support.services import free_port

GIVEN = "a-token-of-the-cluster-1234"


def test_a_given_token_is_kept_in_the_home_of_its_owner(settings: Settings) -> None:
    assert ensure_node_token(settings, {"FARM_NODE_TOKEN": f" {GIVEN}\n"}) == GIVEN
    assert settings.node_token_path.read_text() == GIVEN + "\n"
    assert stat.S_IMODE(settings.node_token_path.stat().st_mode) == 0o600
    assert ensure_node_token(settings, {}) == GIVEN


def test_another_token_than_the_one_in_the_home_is_refused_by_name(settings: Settings) -> None:
    made = ensure_node_token(settings, {"FARM_NODE_TOKEN": ""})
    with pytest.raises(ConflictError, match="node-token; remove that file"):
        ensure_node_token(settings, {"FARM_NODE_TOKEN": GIVEN})
    assert ensure_node_token(settings, {"FARM_NODE_TOKEN": made}) == made


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "ünïcode-that-no-header-takes"])
def test_what_can_be_no_token_is_refused(settings: Settings, token: str) -> None:
    with pytest.raises(InputError, match="FARM_NODE_TOKEN should be 16"):
        ensure_node_token(settings, {"FARM_NODE_TOKEN": token})
    assert not settings.node_token_path.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_head_in_the_foreground_serves_and_ends_on_sigterm(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    words = ["up", "--stay", "--no-dashboard", "--replicas", "1", "--port", str(port)]
    environment = {**os.environ, "FARM_NODE_TOKEN": GIVEN}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "farm", *words], env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: (state := last_state(settings)) is not None and state.state == READY, "the farm is ready")
        assert settings.node_token_path.read_text().strip() == GIVEN
        with FarmClient(
            f"http://127.0.0.1:{port}", settings.token_path.read_text().strip(), timeout=PATIENCE
        ) as client:
            assert client.health()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        launch.stop(settings)
    assert not is_running(settings)
