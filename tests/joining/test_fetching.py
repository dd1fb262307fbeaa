"""Weights and LoRAs from a head to a node: a real API here, and the node's part in a process with a home of its own."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.api.assets import Shelf
from farm.jobs.assets import Asset, NodeReport, PushState, assets_of, lora_asset
from farm.jobs.nodes import NodeFacts
from farm.joining.head import Head
from farm.store.pushes import Push
from farm.tokens import ensure_token
from tests.support.api import LiveFarm, live_farm
from tests.support.farms import wait_for
from tests.support.released import released_folder
from tests.support.tiny import tiny_checkpoint

NODE = """
import json, logging, sys
import farm.joining.fetching as fetching
from farm.cluster.looking import look_around
from farm.jobs.assets import assets_to_json
from farm.joining.head import Head
from farm.settings import Settings

url, token, room, cut = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
logging.basicConfig()
fetching.ROOM, fetching.TELL_SECONDS = room, 0.0

class Counted(Head):
    got = 0
    def file(self, sha256, first, size):
        for block in super().file(sha256, first, size):
            self.got += len(block)
            if cut and self.got > cut:
                sys.stdout.write(json.dumps({"got": self.got}))
                sys.stdout.flush()
                import os; os._exit(0)
            yield block

head, settings = Counted(url, token), Settings.from_environment().ensure_home()
fetching.Fetcher(settings, head, "studio-1").look()
report = look_around(settings)
sys.stdout.write(json.dumps({"got": head.got, "assets": assets_to_json(report.assets), "faults": report.faults}))
"""


class Pair:
    """A head, and a node whose home is ``home``."""

    def __init__(self, served: LiveFarm, home: Path) -> None:
        self.served, self.home, self.room, self.cut = served, home, 1, 0
        served.store.put_facts([NodeFacts("studio-1", "4f")])

    def fetch(self) -> dict[str, Any]:
        """Have the node fetch what is wanted; what it says afterwards."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        token = ensure_token(self.served.settings.node_token_path)
        command = [sys.executable, "-c", NODE, self.served.url, token, str(self.room), str(self.cut)]
        done = subprocess.run(command, env={**kept, "FARM_HOME": str(self.home)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def push(self, name: str) -> Asset:
        with self.served.client() as client:
            (one,) = client.push(name, ["studio-1"])
        return Asset(one["kind"], one["name"], one["digest"])

    def state(self) -> Push:
        (push,) = self.served.store.pushes("studio-1")
        return push


@pytest.fixture
def pair(farm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with live_farm(farm_home) as served:
        yield Pair(served, tmp_path / "node")


def style(home: Path, content: bytes) -> Path:
    file = home / "loras" / "people" / "style.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_a_family_of_many_parts_is_the_same_there(pair: Pair, tmp_path: Path) -> None:
    folder = released_folder(tmp_path / "weights")
    (pair.served.settings.home / "models.toml").write_text(f'[framepack]\nfolder = "{folder}"\n')
    asset = pair.push("framepack")
    answer = pair.fetch()
    assert asset in assets_of(answer["assets"]), answer["faults"]
    assert pair.state().state is PushState.DONE and pair.state().done == answer["got"] > 100_000
    assert (pair.home / "models" / "framepack" / "family.json").read_bytes() == (folder / "family.json").read_bytes()
    assert not list((pair.home / "models" / ".coming").iterdir())
    (pair.home / "models" / "framepack" / "vae" / "config.json").unlink()
    pair.push("framepack")
    assert pair.fetch()["got"] == 0 and "something else" in pair.state().message, "nothing is overwritten"


def test_a_transformer_in_a_single_file_keeps_its_name(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    folder = released_folder(tmp_path / "weights")
    weights = {k: v for shard in (folder / "transformer").glob("*.safetensors") for k, v in load_file(shard).items()}
    single = tmp_path / "Kijai" / "FramePackI2V_HY_bf16.safetensors"
    single.parent.mkdir()
    save_file(weights, single)
    (single.parent / "config.json").write_bytes((folder / "transformer" / "config.json").read_bytes())
    parts = [path for path in folder.iterdir() if path.is_dir() and path.name != "transformer"]
    lines = [f'{path.name} = "{path}"' for path in parts] + [f'transformer = "{single}"']
    (pair.served.settings.home / "models.toml").write_text("\n".join(["[framepack]", *lines]))
    asset = pair.push("framepack")
    answer = pair.fetch()
    assert asset in assets_of(answer["assets"]), answer["faults"]
    assert (pair.home / "models/framepack/transformer.file" / single.name).is_file()


def test_a_puppet_of_ones_own_takes_the_place_of_the_bundled(pair: Pair, tmp_path: Path) -> None:
    own = f'[puppet]\nfolder = "{tiny_checkpoint(tmp_path / "tiny")}"\n'
    (pair.served.settings.home / "models.toml").write_text(own)
    asset = pair.push("puppet")
    assert asset in assets_of(pair.fetch()["assets"])


def test_what_differs_stays_as_it_is(pair: Pair) -> None:
    style(pair.served.settings.home, b"the head's")
    other = style(pair.home, b"the node's")
    pair.push("people/style")
    pair.fetch()
    assert pair.state().state is PushState.FAILED and f"something else at {other}" in pair.state().message
    assert other.read_bytes() == b"the node's"
    other.unlink()
    asset = pair.push("people/style")
    assert asset in assets_of(pair.fetch()["assets"])
    assert other.read_bytes() == b"the head's"


def test_one_that_was_killed_goes_on_where_it_was(pair: Pair) -> None:
    content = os.urandom(8_000_000)
    style(pair.served.settings.home, content)
    pair.push("people/style")
    pair.cut = 4_000_000
    first = pair.fetch()["got"]
    assert pair.state().state is PushState.COMING and 0 < pair.state().done < len(content)
    pair.cut = 0
    rest = pair.fetch()["got"]
    assert pair.state().state is PushState.DONE and rest < len(content) and first + rest < 1.3 * len(content)
    assert (pair.home / "loras/people/style.safetensors").read_bytes() == content


def test_damaged_pieces_are_fetched_again(pair: Pair) -> None:
    content = os.urandom(100_000)
    style(pair.served.settings.home, content)
    asset = pair.push("people/style")
    coming = pair.home / "models" / ".coming" / asset.digest[:16]
    coming.mkdir(parents=True)
    (coming / f"{hashlib.sha256(content).hexdigest()}.part").write_bytes(b"x" * 50_000)
    assert pair.fetch()["got"] == 150_000 and pair.state().state is PushState.DONE


def test_a_full_disk_is_seen_before(pair: Pair) -> None:
    style(pair.served.settings.home, b"weights")
    pair.push("people/style")
    pair.room = 10**18
    assert pair.fetch()["got"] == 0
    assert pair.state().state is PushState.FAILED and "make room" in pair.state().message


def test_one_that_is_not_wanted_any_more_stops(pair: Pair) -> None:
    style(pair.served.settings.home, b"weights")
    asset = pair.push("people/style")
    with pair.served.client() as client:
        (one,) = client.stop_push("people/style")
    assert one["state"] == "stopped" and not pair.served.store.note_push(Push("studio-1", asset, PushState.COMING))
    assert pair.fetch()["got"] == 0 and pair.state().state is PushState.STOPPED
    pair.push("people/style")
    assert pair.state().state is PushState.WANTED


def test_only_what_the_head_gives_can_be_read(pair: Pair) -> None:
    from farm.errors import FarmError, NotFoundError
    from farm.joining.head import Head
    from model.brought import Piece

    head = Head(pair.served.url, ensure_token(pair.served.settings.node_token_path))
    with pytest.raises(FarmError, match="has no file"):
        list(head.file("0" * 64, 0, 10))
    with pytest.raises(FarmError, match="does not have that lora"):
        head.pieces(Asset("lora", "style", "0" * 64))  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="unknown model family or LoRA 'stile'"):
        Shelf(pair.served.settings).find("stile")
    for place in ("loras/../../x", "/etc/passwd", "plugins/x.py"):
        with pytest.raises(FarmError, match="no place"):
            Piece.of_json({"place": place, "part": "", "files": []})


def only_on_nodes(pair: Pair, asset: Asset) -> list[str]:
    """Have a LoRA that one node has, and neither the head nor another node, brought to all; to which."""
    have, lack = (NodeReport(frozenset(found)) for found in ({asset}, set[Asset]()))
    facts = [NodeFacts("studio-1", "4f", report=have), NodeFacts("studio-2", "5f", report=lack)]
    pair.served.store.put_facts(facts)
    with pair.served.client() as client:
        return [one["host"] for one in client.push("People/Style", [])]


def test_what_only_a_node_has_comes_to_the_head_and_from_there_to_others(pair: Pair, farm_home: Path) -> None:
    content = os.urandom(300_000)
    style(pair.home, content)
    asset, here = lora_asset("people/style", hashlib.sha256(content).hexdigest()), socket.gethostname()
    assert sorted(only_on_nodes(pair, asset)) == sorted([here, "studio-2"])
    head = Head(pair.served.url, ensure_token(pair.served.settings.node_token_path))
    assert head.orders("studio-1").give == (asset,) and head.orders("studio-2").give == ()
    assert head.orders("studio-2").fetch == (), "it waits until the head has it"
    assert asset in assets_of(pair.fetch()["assets"])
    assert (farm_home / "loras" / "people" / "style.safetensors").read_bytes() == content
    (push,) = pair.served.store.pushes(here)
    assert (push.state, push.done) == (PushState.DONE, len(content))
    assert not [path for path in (farm_home / "models" / ".coming").rglob("*") if path.is_file()]
    assert head.orders("studio-2").fetch == (asset,) and head.orders("studio-1").give == ()


def test_giving_stops_in_the_middle_of_a_file(pair: Pair, farm_home: Path) -> None:
    content = os.urandom(40_000_000)
    style(pair.home, content)
    asset, here = lora_asset("people/style", hashlib.sha256(content).hexdigest()), socket.gethostname()
    only_on_nodes(pair, asset)

    def stop_in_the_middle() -> None:
        wait_for(lambda: pair.served.store.pushes(here)[0].done, "nothing is told of the file", 60)
        with pair.served.client() as client:
            client.stop_push("people/style")

    stopping = threading.Thread(target=stop_in_the_middle)
    stopping.start()
    pair.fetch()
    stopping.join()
    (push,) = pair.served.store.pushes(here)
    assert push.state is PushState.STOPPED and 0 < push.done < push.total == len(content)
    (part,) = (farm_home / "models" / ".coming" / ".uploads").iterdir()
    assert 0 < part.stat().st_size < len(content)


def test_what_is_another_by_now_is_not_given(pair: Pair) -> None:
    style(pair.home, b"another")
    only_on_nodes(pair, lora_asset("people/style", hashlib.sha256(b"that one").hexdigest()))
    pair.fetch()
    (push,) = pair.served.store.pushes(socket.gethostname())
    assert push.state is PushState.FAILED and "another by now" in push.message
