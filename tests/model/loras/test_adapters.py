"""LoRAs act beside the weights, and are gone without a trace."""

from pathlib import Path
from typing import Any

import pytest
import torch

import model.families as families
from farm.errors import CheckpointError, InputError
from model.choices import Lora
from model.loras.library import resolve
from model.loras.pairs import shapes_of
from model.settings import ModelSettings
from tests.model.loras.conftest import change, style
from tests.support.machine import here


@pytest.fixture
def loras(loras: Path, scene: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Those of a home that the renderer, which is made once for all tests here, has for this test."""
    monkeypatch.setattr(scene.renderer._adapters, "_settings", ModelSettings(loras.parent))
    return loras


def test_sections_with_a_lora_differ_and_its_weight_counts(scene: Any, loras: Path, shapes: Any) -> None:
    style(loras / "style.safetensors", shapes)
    plain = scene.denoise()
    full = scene.denoise(loras=(Lora("style"),))
    half = scene.denoise(loras=(Lora("style", 0.5),))
    none = scene.denoise(loras=(Lora("style", 0.0),))
    assert none.equal(plain)
    assert 0 < (half - plain).abs().mean() < (full - plain).abs().mean()


def test_transformer_is_bit_equal_after_a_job_with_loras(scene: Any, loras: Path, shapes: Any) -> None:
    style(loras / "style.safetensors", shapes)
    style(loras / "other.safetensors", shapes, 1, "proj_out")
    transformer = scene.renderer._transformer
    plain = scene.denoise()
    before = {name: weight.clone() for name, weight in transformer.state_dict().items()}
    modules = [(name, type(module)) for name, module in transformer.named_modules()]
    scene.denoise(loras=(Lora("style", 1.5), Lora("other", -1.0)))
    assert any("lora" in name for name in transformer.state_dict())
    assert scene.denoise().equal(plain)
    after = transformer.state_dict()
    assert after.keys() == before.keys() and all(after[name].equal(before[name]) for name in before)
    assert [(name, type(module)) for name, module in transformer.named_modules()] == modules


def test_stacked_loras_equal_their_changes_added_to_the_weights(scene: Any, loras: Path, shapes: Any) -> None:
    style(loras / "a.safetensors", shapes, 1)
    style(loras / "b.safetensors", shapes, 2, "norm.linear")
    stacked = scene.denoise(loras=(Lora("a", 0.1), Lora("b", 0.05)))
    scene.denoise()
    transformer = scene.renderer._transformer
    before = {name: weight.clone() for name, weight in transformer.state_dict().items()}
    try:
        with torch.no_grad():
            for end, seed, weight in (("to_q", 1, 0.1), ("norm.linear", 2, 0.05)):
                for name, tensor in transformer.state_dict().items():
                    if name.endswith(f"{end}.weight") and tensor.ndim == 2:
                        down, up = change(tuple(tensor.shape), seed=seed)
                        tensor += weight * up @ down
        torch.testing.assert_close(stacked, scene.denoise(), atol=2e-4, rtol=2e-4)
    finally:
        transformer.load_state_dict(before)


def test_adapters_stay_while_the_same_are_asked_for(scene: Any, loras: Path, shapes: Any, monkeypatch: Any) -> None:
    import model.loras.adapters as adapters

    style(loras / "style.safetensors", shapes)
    reads = []
    honest = adapters.read_lora
    monkeypatch.setattr(adapters, "read_lora", lambda *args: reads.append(args) or honest(*args))
    first = scene.denoise(loras=(Lora("style"),))
    assert scene.denoise(loras=(Lora("style"),)).equal(first) and len(reads) == 1
    scene.denoise(loras=(Lora("style", 0.3),))
    assert len(reads) == 2
    scene.denoise()


def test_replica_refuses_another_file_under_the_same_name(scene: Any, loras: Path, shapes: Any) -> None:
    style(loras / "style.safetensors", shapes)
    accepted = resolve(Lora("style", 0.7), shapes, here())
    assert accepted.weight == 0.7 and len(accepted.sha256) == 64
    scene.denoise(loras=(accepted,))
    style(loras / "style.safetensors", shapes, seed=9)
    plain = scene.denoise()
    with pytest.raises(CheckpointError, match="not the one that the job was accepted with"):
        scene.denoise(loras=(accepted,))
    with pytest.raises(InputError, match="not the file that was meant"):
        resolve(accepted, shapes, here())
    (loras / "style.safetensors").unlink()
    with pytest.raises(CheckpointError, match="unknown LoRA 'style'"):
        scene.denoise(loras=(accepted,))
    assert scene.denoise().equal(plain)


def test_released_shards_in_8_bits_take_loras_too(
    tmp_path: Path, loras: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    from tests.model.families.test_framepack import video
    from tests.support.released import released_folder

    folder = released_folder(tmp_path / "parts")
    configuration = f'[framepack]\nfolder = "{folder}"\n[framepack.dtypes]\ntransformer = "fp8"\n'
    (farm_home / "models.toml").write_text(configuration)
    renderer = families.load("framepack", here())
    opened = families.checkpoint("framepack", here())
    style(loras / "style.safetensors", shapes_of(opened.parts["transformer"].files))
    plain = video(renderer, picture, seconds=1)
    renderer._adapters.use((Lora("style"),))
    names = [name for name, _ in renderer._transformer.named_parameters() if "lora_A" in name]
    assert names and all(renderer._transformer.get_parameter(name).dtype == torch.float32 for name in names)
    renderer._adapters.unload()
    assert video(renderer, picture, seconds=1).equal(plain)
    query = renderer._transformer.transformer_blocks[0].attn.to_q
    assert query.weight.dtype == torch.float8_e4m3fn
