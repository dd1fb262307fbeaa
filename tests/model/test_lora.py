"""LoRAs: found by name, refused by their headers, applied beside the weights, and gone without a trace."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import model.families as families
from farm.errors import CheckpointError, InputError
from model.adapters import read_lora
from model.choices import Lora
from model.lora import available, pairs_of, resolve, shapes_of

WIDTH = 24  # of the tiny puppet's transformer
Weights = dict[str, torch.Tensor]


@pytest.fixture
def loras(farm_home: Path) -> Path:
    folder = farm_home / "loras"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, ...]]:
    from tests.support.tiny import _built

    return shapes_of((_built() / "transformer").glob("*.safetensors"))


def change(shape: tuple[int, int], rank: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Down [rank, in] and up [out, rank] for a matrix [out, in]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, shape[1], generator=generator), torch.randn(shape[0], rank, generator=generator)


def style(path: Path, shapes: dict[str, tuple[int, ...]], seed: int = 0, end: str = "to_q") -> Path:
    """A LoRA on all modules whose names end so, in diffusers' spelling."""
    weights = {}
    for name, shape in shapes.items():
        if name.endswith(f"{end}.weight") and len(shape) == 2:
            down, up = change(shape, seed=seed)
            weights[f"transformer.{name.removesuffix('.weight')}.lora_A.weight"] = down
            weights[f"transformer.{name.removesuffix('.weight')}.lora_B.weight"] = up
    save_file(weights, path)
    return path


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
    import model.adapters as adapters

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
    accepted = resolve(Lora("style", 0.7), shapes)
    assert accepted.weight == 0.7 and len(accepted.sha256) == 64
    scene.denoise(loras=(accepted,))
    style(loras / "style.safetensors", shapes, seed=9)
    plain = scene.denoise()
    with pytest.raises(CheckpointError, match="not the one that the job was accepted with"):
        scene.denoise(loras=(accepted,))
    with pytest.raises(InputError, match="not the file that was meant"):
        resolve(accepted, shapes)
    (loras / "style.safetensors").unlink()
    with pytest.raises(CheckpointError, match="unknown LoRA 'style'"):
        scene.denoise(loras=(accepted,))
    assert scene.denoise().equal(plain)


def test_unknown_name_suggests_the_nearest(loras: Path, shapes: Any) -> None:
    (loras / "people").mkdir()
    style(loras / "people" / "dancer.safetensors", shapes)
    assert list(available()) == ["people/dancer"]
    assert resolve(Lora("People/Dancer"), shapes).name == "people/dancer"
    with pytest.raises(InputError, match=r"unknown LoRA 'people/dancr'\. Did you mean 'people/dancer'.*loras"):
        resolve(Lora("people/dancr"), shapes)


def qkv(rank: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return change((3 * WIDTH, WIDTH), rank)


def test_spellings_mean_the_same(tmp_path: Path, shapes: Any) -> None:
    """Diffusers', the original model's (as diffusers' own converter reads it), and the trainers' with alpha."""
    from diffusers import HunyuanVideoPipeline

    down, up = qkv()
    mlp_down, mlp_up = change((4 * WIDTH, WIDTH), 2, 5)
    original = {
        "transformer.double_blocks.0.img_attn_qkv.lora_A.weight": down,
        "transformer.double_blocks.0.img_attn_qkv.lora_B.weight": up,
        "transformer.double_blocks.0.txt_mlp.fc1.lora_A.weight": mlp_down,
        "transformer.double_blocks.0.txt_mlp.fc1.lora_B.weight": mlp_up,
    }
    expected = HunyuanVideoPipeline.lora_state_dict(dict(original))
    trainers: Weights = {}
    for name, tensor in original.items():
        short = name.removeprefix("transformer.")
        module, role = short.rsplit(".lora_", 1)[0].replace(".", "_"), short.rsplit(".lora_", 1)[1]
        trainers[f"lora_unet_{module}.lora_{'down' if role == 'A.weight' else 'up'}.weight"] = tensor
        trainers[f"lora_unet_{module}.alpha"] = torch.tensor(4.0)
    native: Weights = {}
    for name, tensor in expected.items():
        short = name.removeprefix("transformer.")
        module, role = short.rsplit(".lora_", 1)[0].replace(".", "_"), short.rsplit(".lora_", 1)[1]
        native[f"lora_unet_{module}.lora_{'down' if role == 'A.weight' else 'up'}.weight"] = tensor.clone()
        native[f"lora_unet_{module}.alpha"] = torch.tensor(2.0)
    prefixed = {f"diffusion_model.{name.removeprefix('transformer.')}": tensor for name, tensor in original.items()}
    spelled = {
        "diffusers": expected,
        "original": original,
        "prefixed": prefixed,
        "native": native,
        "trainers": trainers,
    }
    for spelling, weights in spelled.items():
        file = tmp_path / f"{spelling}.safetensors"
        save_file({name: tensor.clone().contiguous() for name, tensor in weights.items()}, file)
        read = read_lora(file, pairs_of(file, shapes))
        assert read.keys() == expected.keys(), spelling
        for name, tensor in expected.items():
            scale = 2.0 if spelling == "trainers" and "lora_B" in name else 1.0
            assert read[name].equal(scale * tensor), (spelling, name)


def test_fused_projection_of_single_blocks_is_cut_as_the_model_is(tmp_path: Path, shapes: Any) -> None:
    down, up = change((7 * WIDTH, WIDTH), 3)
    file = tmp_path / "single.safetensors"
    save_file({"single_blocks.1.linear1.lora_A.weight": down, "single_blocks.1.linear1.lora_B.weight": up}, file)
    read = read_lora(file, pairs_of(file, shapes))
    block = "transformer.single_transformer_blocks.1"
    rows = [read[f"{block}.{name}.lora_B.weight"] for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]
    assert torch.cat(rows).equal(up) and [len(part) for part in rows] == [24, 24, 24, 96]


A = "transformer.transformer_blocks.0.attn.to_q.lora_A.weight"
B = "transformer.transformer_blocks.0.attn.to_q.lora_B.weight"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"unet.down.0.weight": (2, 2)}, "'unet.down.0.weight' is no weight of a LoRA"),
        ({"lora_unet_input_blocks_1_proj_in.lora_down.weight": (2, 24)}, "is no weight of a LoRA"),
        ({A: (2, 24)}, "lacks its other half"),
        ({A: (2, 3072), B: (3072, 2)}, r"don't make a change of \[24, 24\].*another model"),
        ({A: (2, 24), B: (24, 4)}, "don't make a change"),
        (
            {
                "double_blocks.7.img_attn_proj.lora_A.weight": (2, 24),
                "double_blocks.7.img_attn_proj.lora_B.weight": (24, 2),
            },
            "'transformer_blocks.7.attn.to_out.0', which this model does not have",
        ),
        ({}, "is empty"),
    ],
)
def test_bad_file_is_refused_by_its_header(
    loras: Path, shapes: Any, weights: dict[str, tuple[int, ...]], message: str
) -> None:
    save_file({name: torch.zeros(shape) for name, shape in weights.items()}, loras / "bad.safetensors")
    with pytest.raises(InputError, match=message) as caught:
        resolve(Lora("bad"), shapes)
    assert "bad.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_file_that_is_cut_short_is_refused(loras: Path, shapes: Any) -> None:
    file = style(loras / "cut.safetensors", shapes)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(InputError, match="can't be used as a LoRA"):
        resolve(Lora("cut"), shapes)


def test_released_shards_in_8_bits_take_loras_too(
    tmp_path: Path, loras: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    from tests.model.test_released import video
    from tests.support.released import released_folder

    folder = released_folder(tmp_path / "parts")
    configuration = f'[framepack]\nfolder = "{folder}"\n[framepack.dtypes]\ntransformer = "fp8"\n'
    (farm_home / "models.toml").write_text(configuration)
    renderer = families.load("framepack")
    opened = families.checkpoint("framepack")
    style(loras / "style.safetensors", shapes_of(opened.parts["transformer"].files))
    plain = video(renderer, picture, seconds=1)
    renderer._adapters.use((Lora("style"),))
    names = [name for name, _ in renderer._transformer.named_parameters() if "lora_A" in name]
    assert names and all(renderer._transformer.get_parameter(name).dtype == torch.float32 for name in names)
    renderer._adapters.unload()
    assert video(renderer, picture, seconds=1).equal(plain)
    query = renderer._transformer.transformer_blocks[0].attn.to_q
    assert query.weight.dtype == torch.float8_e4m3fn
