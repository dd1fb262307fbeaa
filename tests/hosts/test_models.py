"""What a machine lacks is known, and can be brought to it from the head; plug-ins follow by themselves."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import HostsFarm, until

PLUGIN = Path(__file__).parents[2] / "examples" / "prores-plugin" / "farm_prores.py"

pytestmark = [pytest.mark.ray, pytest.mark.soak, pytest.mark.timeout(600)]


def takes(farm: HostsFarm, name: str) -> dict[str, Any]:
    """Why each node does not take it, empty where it does, by the node's name."""
    assets = json.loads(farm.head.farm("nodes", "--models", "--json").stdout)["assets"]
    found = next(asset for asset in assets if asset["name"] == name)
    return {node["host"]: node["why"] for node in found["nodes"]}


def test_a_lora_of_the_head_is_brought_to_a_node(farm: HostsFarm) -> None:
    content = os.urandom(3_000_000)
    lora = farm.head.home / "loras" / "style.safetensors"
    lora.write_bytes(content)
    plugin = farm.head.home / "plugins" / PLUGIN.name
    plugin.write_bytes(PLUGIN.read_bytes())
    farm.join()
    try:
        until(farm.works, 60, "the worker's replica")
        assert takes(farm, "style")[farm.worker.name] == "it is not there"
        until(lambda: takes(farm, "prores")[farm.worker.name] == "", 30, "the head's plug-in on the worker")
        assert takes(farm, "puppet")[farm.worker.name] == ""
        done = farm.head.farm("models", "push", "style", farm.worker.name)
        assert "worker has style: 3.0 MB brought." in done.stdout and "style to worker" in done.stderr
        brought = farm.worker.home / "loras" / "style.safetensors"
        assert hashlib.sha256(brought.read_bytes()).digest() == hashlib.sha256(content).digest()
        until(lambda: takes(farm, "style")[farm.worker.name] == "", 30, "what the worker says that it has")
        assert "already" in farm.head.farm("models", "push", "style", farm.worker.name).stdout
    finally:
        plugin.unlink()
        lora.unlink()
        farm.worker.farm("leave", "--now")
