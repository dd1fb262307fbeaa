"""LoRAs in requests: short spelling, ranges, and what the door makes of a name."""

import hashlib
import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from farm.errors import InputError
from farm.intake.request import build_request
from farm.jobs.submission import Submission
from model.choices import Lora
from plugins.manager import PluginManager
from tests.support.tiny import tiny_checkpoint

MODULE = "transformer.transformer_blocks.0.attn.to_q"


@pytest.fixture
def style(farm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A LoRA for the tiny puppet."""
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path / "tiny")))
    file = farm_home / "loras" / "style.safetensors"
    file.parent.mkdir(parents=True)
    save_file({f"{MODULE}.lora_A.weight": torch.ones(2, 24), f"{MODULE}.lora_B.weight": torch.ones(24, 2)}, file)
    return file


def request(*loras: object) -> Submission:
    stream = io.BytesIO()
    Image.new("RGB", (80, 64), "orange").save(stream, "PNG")
    return build_request(
        {"prompt": "p", "loras": list(loras)}, stream.getvalue(), plugins=PluginManager(packages=False)
    )


@pytest.mark.parametrize(
    ("given", "weight"),
    [("style", 1.0), ("STYLE:0.5", 0.5), ({"name": "style", "weight": -2}, -2.0), ("style.safetensors:1e-1", 0.1)],
)
def test_name_and_weight_become_the_bytes_they_mean(style: Path, given: object, weight: float) -> None:
    made = request(given)
    assert made.loras == (Lora("style", weight, hashlib.sha256(style.read_bytes()).hexdigest()),)
    assert Submission.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["stile"], "unknown LoRA 'stile'. Did you mean 'style'"),
        (["style:much"], "loras.0.weight is 'much'"),
        (["style:9"], "it should have a weight from -4 to 4"),
        (["style:nan"], "it should have a weight from -4 to 4"),
        (["style", "Style:2"], "it should name each LoRA once"),
        ([{"name": "style", "strength": 1}], "unknown field of a LoRA 'strength'"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(style: Path, given: list[object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        request(*given)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_file_for_another_model_is_refused_at_the_door(style: Path) -> None:
    save_file({f"{MODULE}.lora_A.weight": torch.ones(2, 8), f"{MODULE}.lora_B.weight": torch.ones(8, 2)}, style)
    with pytest.raises(InputError, match="it is for another model"):
        request("style")
