"""A LoRA from a node to the head: a real API here, and the node in a process with a home of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from farm.jobs.assets import Asset, NodeReport, PushState
from farm.jobs.nodes import NodeFacts
from farm.store.pushes import Push
from farm.tokens import ensure_token
from tests.support.api import LiveFarm, live_farm

NODE = """
import json, sys
from farm.joining.giving import give
from farm.joining.head import Head
from farm.jobs.assets import lora_asset
from model.loras.library import digest, find
asset = lora_asset("people/style", digest(find("people/style")))
print(json.dumps(list(asset)), flush=True)
sys.stdin.readline()
head = Head(sys.argv[1], sys.argv[2])
give(head, head.orders("studio-1").head, asset, lambda done, total: None)
"""


@dataclass
class Pair:
    """A head, and a node whose home is ``home`` and which has a LoRA with PEFT's configuration beside it."""

    head: LiveFarm
    home: Path

    @property
    def token(self) -> str:
        return ensure_token(self.head.settings.node_token_path)

    def give(self) -> Push:
        """Have the node give it; how that went."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        words = [sys.executable, "-c", NODE, self.head.url, self.token]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(words, env={**kept, "FARM_HOME": str(self.home)}, **pipes) as node:  # type: ignore[call-overload]
            asset = Asset(*json.loads(node.stdout.readline()))
            report = NodeReport(frozenset([asset]), {}, 0)
            self.head.store.put_facts([NodeFacts("studio-1", "4f", report=report)])
            with self.head.client() as client:
                (push,) = client.push("people/style", ["studio-1"])
            node.communicate("go\n", timeout=60)
        (found,) = self.head.store.pushes(push["host"])
        return found

    def post(self, **said: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        whole = {"kind": "lora", "name": "style", "digest": "0" * 64, "pieces": [], **said}
        return httpx.post(f"{self.head.url}/api/v1/join/nodes/head/given", headers=headers, json=whole)


@pytest.fixture
def pair(farm_home: Path, tmp_path: Path) -> Iterator[Pair]:
    folder = tmp_path / "node" / "loras" / "people"
    folder.mkdir(parents=True)
    (folder / "style.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text('{"lora_alpha": 4}')
    with live_farm(farm_home) as head:
        yield Pair(head, tmp_path / "node")


def test_a_lora_comes_with_its_configuration(pair: Pair) -> None:
    assert pair.give().state is PushState.DONE
    there = pair.head.settings.home / "loras" / "people"
    assert (there / "style.safetensors").read_bytes() == b"weights"
    assert (there / "adapter_config.json").read_text() == '{"lora_alpha": 4}'
    assert not list((pair.head.settings.home / "artifacts" / "given").glob("*"))


def test_what_nobody_waits_for_is_refused_and_touches_nothing(pair: Pair) -> None:
    kept = pair.head.settings.home / "artifacts" / "kept.txt"
    kept.write_text("kept")
    assert pair.post().status_code == 409
    assert pair.post(digest="../../artifacts").status_code == 422
    assert pair.post(pieces=[{"place": "loras/x"}]).status_code == 422
    piece = {"place": "loras/x", "part": "", "files": [{"name": "", "size": 1, "sha256": "../x"}]}
    assert pair.post(pieces=[piece]).status_code == 422
    assert kept.read_text() == "kept"


def test_a_push_whose_giver_is_gone_can_be_stopped(pair: Pair) -> None:
    lost = Asset("lora", "style", "1" * 64)  # type: ignore[arg-type]
    pair.head.store.push(["head"], lost)
    with pair.head.client() as client:
        (stopped,) = client.stop_push("style")
    assert stopped["state"] == "stopped"
