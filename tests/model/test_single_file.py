"""Parts in a single file: GGUF, and 8-bit weights as ComfyUI and musubi-tuner store them."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import save_file
from transformers import CLIPTextModel

from farm.errors import CheckpointError
from model.loras.pairs import shapes_of
from model.scales import METADATA
from model.single_file import read_single_file
from model.transformer import PackedTransformer
from model.transformer.gguf import GgufLinear
from model.weights import read_header
from tests.support.packed import noise_for, packed_transformer, section_inputs


@pytest.fixture(scope="module")
def wide() -> PackedTransformer:
    """Of a width that blocks of 32 divide."""
    return packed_transformer(attention_head_dim=16, rope_axes_dim=(4, 6, 6))


def config_of(transformer: PackedTransformer) -> dict[str, Any]:
    """What a file beside its weights would say."""
    return {name: value for name, value in transformer.config.items() if not name.startswith("_")}


def write_gguf(file: Path, weights: dict[str, torch.Tensor], kind: Kind) -> Path:
    """Matrices whose rows blocks divide in blocks of ``kind``, all else as it is; five dimensions laid out as one."""
    writer = gguf.GGUFWriter(file, "hyvid")
    for name, tensor in weights.items():
        values = tensor.numpy()
        if tensor.ndim == 2 and tensor.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        elif tensor.ndim > 4:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(size) for size in tensor.shape])
            writer.add_tensor(name, values.reshape(-1))
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def original_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Attention and single blocks as ComfyUI spells them."""
    spelled = dict(weights)
    for kind in ("weight", "bias"):
        block = "transformer_blocks.0.attn"
        parts = [spelled.pop(f"{block}.{name}.{kind}") for name in ("to_q", "to_k", "to_v")]
        spelled[f"double_blocks.0.img_attn.qkv.{kind}"] = torch.cat(parts)
        for index in range(2):
            block = f"single_transformer_blocks.{index}"
            names = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
            spelled[f"single_blocks.{index}.linear1.{kind}"] = torch.cat(
                [spelled.pop(f"{block}.{n}.{kind}") for n in names]
            )
    return {f"model.diffusion_model.{name}": tensor for name, tensor in spelled.items()}


@pytest.mark.parametrize("spell", [dict, original_names], ids=["diffusers", "comfyui"])
@torch.no_grad()
def test_gguf_keeps_its_blocks_and_gives_what_they_mean(tmp_path: Path, wide: PackedTransformer, spell: Any) -> None:
    file = write_gguf(tmp_path / "model.gguf", spell(wide.state_dict()), Kind.Q8_0)
    config = config_of(wide)
    read = read_single_file(PackedTransformer, file, config, torch.float32).eval()
    assert isinstance(read.transformer_blocks[0].attn.to_q, GgufLinear)
    assert read.transformer_blocks[0].attn.to_q.weight.dtype == torch.uint8
    assert type(read.transformer_blocks[0].norm1.linear) is torch.nn.Linear
    twin = packed_transformer(attention_head_dim=16, rope_axes_dim=(4, 6, 6))
    rounded = {
        name: torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), Kind.Q8_0), Kind.Q8_0))
        if weight.ndim == 2 and weight.shape[1] % 32 == 0
        else weight
        for name, weight in wide.state_dict().items()
    }
    twin.load_state_dict(rounded)
    inputs = section_inputs("f1k1_x_g9_f1k1f2k2f16k4_td")
    noise = noise_for(inputs)
    torch.testing.assert_close(read(noise, 500.0, inputs), twin(noise, 500.0, inputs))
    shapes = shapes_of([file])
    assert shapes["transformer_blocks.0.attn.to_q.weight"] == (32, 32)
    assert {
        name: tuple(weight.shape) for name, weight in wide.state_dict().items() if weight.ndim == 2
    }.items() <= shapes.items()


def test_gguf_that_is_cut_short_or_of_an_unknown_kind_is_refused(tmp_path: Path, wide: PackedTransformer) -> None:
    file = write_gguf(tmp_path / "model.gguf", wide.state_dict(), Kind.Q8_0)
    whole = file.read_bytes()
    for size in (0, 3, 100, len(whole) // 2):
        file.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"model\.gguf is cut short or no GGUF file"):
            read_header(file, "get it again")
    writer = gguf.GGUFWriter(file, "hyvid")
    writer.add_tensor("proj_out.weight", np.zeros((2, 66), np.uint8), raw_dtype=Kind.IQ2_XXS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(CheckpointError, match=r"'proj_out\.weight' is IQ2_XXS, which can't be read; use a file with"):
        read_single_file(PackedTransformer, file, {"patch_size": 2}, torch.float32)


def marked(weights: dict[str, torch.Tensor], told: str) -> dict[str, torch.Tensor]:
    """As ComfyUI stores 8-bit weights: a scale, and bytes that say so."""
    made = dict(weights)
    for name, weight in weights.items():
        if weight.ndim == 2 and "blocks." in name:
            scale = weight.abs().max() / 448
            made[name] = (weight / scale).to(torch.float8_e4m3fn)
            made[f"{name}_scale"] = scale
            made[f"{name.removesuffix('weight')}comfy_quant"] = torch.tensor(list(told.encode()), dtype=torch.uint8)
    return made


def test_marks_of_comfyui_are_read(tmp_path: Path) -> None:
    transformer = packed_transformer()
    file = tmp_path / "model.safetensors"
    config = config_of(transformer)
    save_file(marked(transformer.state_dict(), json.dumps({"format": "float8_e4m3fn"})), file)
    read = read_single_file(PackedTransformer, file, config, torch.float32).state_dict()
    for name, weight in transformer.state_dict().items():
        assert (read[name] - weight).abs().max() <= 0.07 * weight.abs().max(), name
    for told, message in (
        ('{"format": "svdquant"}', "says 'svdquant', which can't be read"),
        ("{", "comfy_quant' can't be read"),
    ):
        save_file(marked(transformer.state_dict(), told), file)
        with pytest.raises(CheckpointError, match=message):
            read_single_file(PackedTransformer, file, config, torch.float32)


def in_blocks(
    weights: dict[str, torch.Tensor], end: str, high: int, more: tuple[int, ...] = ()
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Matrices of the blocks as 8-bit floats with a scale for each ``high`` by 16 of them; and what these mean."""
    made, meant = dict(weights), dict(weights)
    for name, weight in weights.items():
        if weight.ndim == 2 and "blocks." in name:
            rows, columns = weight.shape[0] // high, weight.shape[1] // 16
            parts = weight.reshape(rows, high, columns, 16)
            scale = parts.abs().amax(dim=(1, 3), keepdim=True) / 448 + 1e-12
            small = (parts / scale).to(torch.float8_e4m3fn)
            made[name] = small.reshape(weight.shape)
            made[name.removesuffix("weight") + end] = scale.reshape(rows, columns, *more)
            meant[name] = (small.float() * scale).reshape(weight.shape)
    return made, meant


@pytest.mark.parametrize("spell", [dict, original_names], ids=["diffusers", "comfyui"])
@pytest.mark.parametrize("how", ["musubi", "marks", "header"])
def test_scales_of_blocks_are_multiplied_in(tmp_path: Path, wide: PackedTransformer, spell: Any, how: str) -> None:
    """To the bit, also where diffusers has several modules for one that was scaled as a whole."""
    weights = spell(wide.state_dict())
    musubi = how == "musubi"
    made, meant = in_blocks(weights, *(("scale_weight", 1, (1,)) if musubi else ("weight_scale", 16)))
    modules = [name.removesuffix(".weight_scale") for name in made if name.endswith("weight_scale")]
    told, metadata = {"format": "float8_e4m3fn_blockwise", "group_size": 16}, {}
    if how == "marks":
        made |= {f"{m}.comfy_quant": torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8) for m in modules}
    elif how == "header":
        metadata = {METADATA: json.dumps({"layers": dict.fromkeys(modules, told)})}
    config = config_of(wide)
    scaled, plain = tmp_path / "scaled.safetensors", tmp_path / "plain.safetensors"
    save_file(made, scaled, metadata)
    save_file(meant, plain)
    for dtype in (torch.float32, torch.bfloat16):
        expected = read_single_file(PackedTransformer, plain, config, dtype).state_dict()
        for name, weight in read_single_file(PackedTransformer, scaled, config, dtype).state_dict().items():
            assert weight.dtype == dtype and weight.equal(expected[name]), name


def test_scale_without_its_weight_is_refused(tmp_path: Path, wide: PackedTransformer) -> None:
    file = tmp_path / "model.safetensors"
    save_file({**wide.state_dict(), "transformer_blocks.7.ff.net.2.scale_weight": torch.ones(1)}, file)
    with pytest.raises(CheckpointError, match=r"a scale, but no weight, for 'transformer_blocks\.7\.ff\.net\.2'"):
        read_single_file(PackedTransformer, file, config_of(wide), torch.float32)


def test_file_whose_configuration_nobody_knows_is_refused(tmp_path: Path, wide: PackedTransformer) -> None:
    file = tmp_path / "model.safetensors"
    save_file(wide.state_dict(), file)
    with pytest.raises(CheckpointError, match=r"put its configuration beside it, as model\.json"):
        read_single_file(PackedTransformer, file, {}, torch.float32)


def test_configuration_of_another_model_in_the_folder_is_left_alone(tmp_path: Path, wide: PackedTransformer) -> None:
    file, shared = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_file(wide.state_dict(), file)
    for other in ({"model_type": "llama"}, {"_class_name": "AutoencoderKLHunyuanVideo"}):
        shared.write_text(json.dumps(other | {"num_layers": 7}))
        read = read_single_file(PackedTransformer, file, config_of(wide), torch.float32)
        assert len(read.transformer_blocks) == len(wide.transformer_blocks)
    for own in ({"_class_name": "HunyuanVideoFramepackTransformer3DModel"}, {}):
        shared.write_text(json.dumps(own | {"num_layers": 7}))
        with pytest.raises(CheckpointError, match="are missing for its configuration"):
            read_single_file(PackedTransformer, file, config_of(wide), torch.float32)
    save_file({"text_model.final_layer_norm.bias": torch.ones(2)}, file)
    for told, kind in (
        ({"model_type": "clip"}, "nothing says how"),
        ({"model_type": "clip_text_model"}, "are missing"),
    ):
        shared.write_text(json.dumps(told))
        with pytest.raises(CheckpointError, match=kind):
            read_single_file(CLIPTextModel, file, {}, torch.float32)


def test_file_with_several_encoders_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "both.safetensors"
    save_file({f"{each}_model.encoder.layers.0.mlp.fc1.bias": torch.ones(2) for each in ("text", "vision")}, file)
    with pytest.raises(CheckpointError, match=r"both\.safetensors holds several encoders"):
        read_single_file(CLIPTextModel, file, {"hidden_size": 2}, torch.float32)
