"""The nodes' token: made by the farm, or given by whoever starts it."""

import stat

import pytest

from farm.errors import ConflictError, InputError
from farm.joining.tokens import ensure_node_token
from farm.settings import Settings

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
