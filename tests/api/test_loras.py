"""LoRAs over HTTP: found in the farm's own folders, at once, with what they tell of themselves."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from farm.client import FarmClient
from farm.errors import InputError
from tests.support.api import LiveFarm, live_farm, picture

WEIGHTS = {"x": torch.zeros(1)}
SHOWN = "data:image/png;base64," + base64.b64encode(picture(300, 200)).decode()


@pytest.fixture
def served(tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> Iterator[LiveFarm]:
    """A farm with a folder of LoRAs of its own, whose home is not the one in this process's environment."""
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    monkeypatch.setenv("FARM_LORA_DIRS", str(tmp_path / "own"))
    with live_farm(tmp_path / "its-home") as found:
        monkeypatch.delenv("FARM_LORA_DIRS")
        yield found


@pytest.fixture
def client(served: LiveFarm) -> Iterator[FarmClient]:
    with served.client() as made:
        yield made


def test_loras_are_listed_and_checked_at_the_door(served: LiveFarm, client: FarmClient) -> None:
    assert client.loras() == []
    folder = served.settings.loras_dir
    (folder / "people").mkdir(parents=True)
    (folder / "people/dancer.safetensors").write_bytes(b"no weights")
    assert [(lora["name"], lora["bytes"], lora["triggers"]) for lora in client.loras()] == [("people/dancer", 10, [])]
    assert "cut short" in client.loras()[0]["error"]
    save_file(WEIGHTS, folder / "ink.safetensors", {"modelspec.trigger_phrase": "ink style"})
    assert (client.loras()[0]["name"], client.loras()[0]["triggers"]) == ("ink", ["ink style"])
    with pytest.raises(InputError, match="Did you mean 'people/dancer'"):
        client.submit(picture(), {"prompt": "x", "loras": ["people/dancr"]})
    with pytest.raises(InputError, match="cut short or no safetensors file"):
        client.submit(picture(), {"prompt": "x", "loras": ["people/dancer:0.5"]})


def test_a_file_in_a_folder_of_ones_own_is_usable_as_soon_as_it_is_there(
    served: LiveFarm, client: FarmClient, tmp_path: Path
) -> None:
    module = "transformer.transformer_blocks.0.attn.to_q"
    weights = {f"{module}.lora_A.weight": torch.ones(2, 24), f"{module}.lora_B.weight": torch.ones(24, 2)}
    asked = {"prompt": "x", "loras": ["ink:0.5"]}
    with pytest.raises(InputError, match="unknown LoRA 'ink'"):
        client.submit(picture(), asked)
    (tmp_path / "own").mkdir()
    save_file(weights, tmp_path / "own" / "ink.safetensors")
    assert [lora["name"] for lora in client.loras()] == ["ink"]
    (lora,) = client.submit(picture(), asked)["request"]["loras"]
    assert (lora["name"], lora["weight"], len(lora["sha256"])) == ("ink", 0.5, 64)
    assert [each["name"] for each in client.assets() if each["kind"] == "lora"] == ["ink"]


def test_a_picture_comes_from_the_header_or_from_beside_the_file(
    served: LiveFarm, client: FarmClient, tmp_path: Path
) -> None:
    folder = tmp_path / "own" / "a b"
    folder.mkdir(parents=True)
    save_file(WEIGHTS, folder / "ink.safetensors", {"modelspec.thumbnail": SHOWN})
    save_file(WEIGHTS, folder / "wash.safetensors")
    (folder / "wash.preview.png").write_bytes(picture(100, 400))
    save_file(WEIGHTS, folder / "bare.safetensors")
    save_file(WEIGHTS, folder / "odd.safetensors", {"modelspec.thumbnail": "data:image/png;base64,bm8="})
    marks = {lora["name"]: lora["picture"] for lora in client.loras()}
    assert marks["a b/ink"] and marks["a b/wash"] and not marks["a b/bare"]
    headers = {"Authorization": f"Bearer {served.token}"}

    def ask(name: str, **more: str) -> httpx.Response:
        return httpx.get(f"{served.url}/api/v1/loras/{name}/picture", headers=headers | more)

    ink, wash = ask("a b/ink"), ask("a b/wash")
    assert (ink.status_code, ink.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(ink.content)).size == (128, 85)
    assert Image.open(io.BytesIO(wash.content)).size == (32, 128)
    assert ask("a b/ink", **{"If-None-Match": ink.headers["etag"]}).status_code == 304
    assert ask("a b/bare").status_code == ask("a b/gone").status_code == 404
    assert (ask("a b/odd").status_code, ask("a b/odd").json()["error"]["type"]) == (422, "InputError")
    (folder / "wash.preview.png").write_bytes(picture(400, 100))
    assert next(lora["picture"] for lora in client.loras() if lora["name"] == "a b/wash") != marks["a b/wash"]
