"""A LoRA from a node to the head: a real API here, and the node in a process with a home of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from farm.api import receiving
from farm.errors import StorageError
from farm.jobs.assets import Asset, NodeReport, PushState
from farm.jobs.nodes import NodeFacts
from farm.store.artifacts.http import HeadTransport
from farm.store.pushes import Push
from farm.tokens import ensure_token
from model import weights
from tests.support.api import LiveFarm, live_farm

NODE = """
import json, sys
from farm.errors import CancelledError, FarmError
from farm.joining.giving import give
from farm.joining.head import Head
from farm.jobs.assets import lora_asset
from model.loras.library import digest, find
from tests.support.machine import here
asset = lora_asset("people/style", digest(find("people/style", here()), here()))
print(json.dumps(list(asset)), flush=True)
sys.stdin.readline()
told, most, said = [], int(sys.argv[3]), ""
def at(done, total):
    told.append(done)
    if most and done > most:
        raise CancelledError("it is not wanted any more")
head = Head(sys.argv[1], sys.argv[2])
try:
    give(head, head.orders("studio-1").head, asset, at, here())
except FarmError as error:
    said = str(error)
print(json.dumps([told, said]))
"""
SIZE = 6_000_000


@dataclass
class Pair:
    """A head, and a node whose home is ``home`` and which has a LoRA with PEFT's configuration beside it.

    ``told``: the bytes of which the node said, one after the other, that the head has them; ``said``: what went wrong.
    """

    head: LiveFarm
    home: Path
    told: list[int] = field(default_factory=list)
    said: str = ""

    @classmethod
    def of(cls, head: LiveFarm, home: Path) -> "Pair":
        folder = home / "loras" / "people"
        folder.mkdir(parents=True)
        (folder / "style.safetensors").write_bytes(b"weights")
        (folder / "adapter_config.json").write_text('{"lora_alpha": 4}')
        return cls(head, home)

    @property
    def token(self) -> str:
        return ensure_token(self.head.settings.node_token_path)

    @property
    def arrived(self) -> list[Path]:
        """Files that lie at the head, whole or in part, before they are in their places."""
        return [path for path in (self.head.settings.home / "models" / ".coming").rglob("*") if path.is_file()]

    def large(self) -> bytes:
        """Have the node's LoRA be one that takes a while; its content."""
        content = os.urandom(SIZE)
        (self.home / "loras" / "people" / "style.safetensors").write_bytes(content)
        return content

    def give(self, most: int = 0) -> Push:
        """Have the node give it, or stop when the head has more than ``most`` bytes; how that went."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        words = [sys.executable, "-c", NODE, self.head.url, self.token, str(most)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(words, env={**kept, "FARM_HOME": str(self.home)}, **pipes) as node:  # type: ignore[call-overload]
            asset = Asset(*json.loads(node.stdout.readline()))
            report = NodeReport(frozenset([asset]), {}, 0)
            self.head.store.put_facts([NodeFacts("studio-1", "4f", report=report)])
            with self.head.client() as client:
                (push,) = client.push("people/style", ["studio-1"])
            out, errors = node.communicate("go\n", timeout=60)
            assert node.returncode == 0, errors
            self.told, self.said = json.loads(out)
        (found,) = self.head.store.pushes(push["host"])
        return found

    def post(self, **said: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        whole = {"kind": "lora", "name": "style", "digest": "0" * 64, "pieces": [], **said}
        return httpx.post(f"{self.head.url}/api/v1/join/nodes/head/given", headers=headers, json=whole)


@pytest.fixture
def pair(farm_home: Path, tmp_path: Path) -> Iterator[Pair]:
    with live_farm(farm_home) as head:
        yield Pair.of(head, tmp_path / "node")


def test_a_lora_comes_with_its_configuration(pair: Pair) -> None:
    assert pair.give().state is PushState.DONE
    there = pair.head.settings.home / "loras" / "people"
    assert (there / "style.safetensors").read_bytes() == b"weights"
    assert (there / "adapter_config.json").read_text() == '{"lora_alpha": 4}'
    assert not pair.arrived


def test_it_tells_how_far_it_is_within_a_file(pair: Pair) -> None:
    pair.large()
    assert pair.give().state is PushState.DONE
    within = [done for done in pair.told if 0 < done < SIZE]
    assert len(within) > 10 and pair.told == sorted(pair.told)


def test_one_that_was_stopped_within_a_file_goes_on_there(pair: Pair) -> None:
    content = pair.large()
    pair.give(most=4_000_000)
    assert "not wanted any more" in pair.said and max(pair.told) < 5_000_000
    assert pair.give().state is PushState.DONE, pair.said
    assert min(done for done in pair.told if done) > 1_000_000, "what had arrived is not sent again"
    assert (pair.head.settings.home / "loras/people/style.safetensors").read_bytes() == content
    assert not pair.arrived


def test_what_has_come_is_not_read_again_when_it_is_in_its_place(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was checked as it came; to hash tens of gigabytes once more takes minutes in which nothing is told."""
    monkeypatch.setattr(weights, "LARGE", SIZE)
    read: list[Path] = []
    sha256 = weights.file_sha256
    monkeypatch.setattr(weights, "file_sha256", lambda file: read.append(file) or sha256(file))
    pair.large()
    assert pair.give().state is PushState.DONE
    there = pair.head.settings.home / "loras" / "people" / "style.safetensors"
    assert there not in read and weights.known_sha256(there, pair.head.settings.model) == sha256(there)


def test_a_full_disk_is_told_before_a_byte_is_sent(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "ROOM", 10**18)
    push = pair.give()
    assert push.state is PushState.FAILED and not pair.told and not pair.arrived
    assert "GB are to come" in push.message and "make room" in push.message


def test_room_is_wanted_for_what_is_still_to_come(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[int] = []
    pair.large()
    pair.give(most=4_000_000)
    monkeypatch.setattr(receiving, "require_room", lambda settings, size, room: wanted.append(size))
    assert pair.give().state is PushState.DONE
    assert 0 < wanted[0] < SIZE - 1_000_000


def test_a_push_says_that_something_else_is_in_the_place(pair: Pair) -> None:
    other = pair.head.settings.home / "loras" / "people" / "adapter_config.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    push = pair.give()
    assert push.state is PushState.FAILED and f"something else at {other}" in push.message
    assert not pair.told and other.read_text() == "{}"


def test_weights_come_to_a_farm_whose_artifacts_are_in_s3(bucket: str, farm_home: Path, tmp_path: Path) -> None:
    with live_farm(farm_home, artifacts_url=bucket) as head:
        pair = Pair.of(head, tmp_path / "node")
        assert pair.give().state is PushState.DONE, pair.said
        assert (farm_home / "loras" / "people" / "style.safetensors").read_bytes() == b"weights"
        with pytest.raises(StorageError, match="the artifacts of this farm are in s3://"):
            HeadTransport(head.url, pair.token).upload(
                "jobs/x", pair.home / "loras/people/style.safetensors", 7, "0" * 64
            )


def leftover(home: Path) -> Path:
    """What a push left that was stopped more than a day ago."""
    file = home / "models" / ".coming" / ("e" * 16) / ("f" * 64)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    for path in (file, file.parent):
        os.utime(path, (time.time() - 100_000,) * 2)
    return file


def test_leftovers_go_when_a_giving_begins(pair: Pair, farm_home: Path) -> None:
    left = leftover(farm_home)
    pair.give()
    assert not left.exists()


def test_leftovers_go_when_the_head_starts(farm_home: Path) -> None:
    left = leftover(farm_home)
    with live_farm(farm_home):
        assert not left.exists()


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
