"""Names of ComfyUI's files become those of the models, all of them and only those."""

import re

import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo

from model.comfyui import is_unused, to_codec, to_encoder

SPELLED = (
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets", lambda match: f"up.{3 - int(match[1])}.block"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{3 - int(match[1])}.upsample"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
)
"""Diffusers' names, and those of ``convert_vae_state_dict`` in ComfyUI's ``diffusers_convert.py``."""


def comfy_codec(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A codec's weights as in ComfyUI's ``hunyuan_video_vae_bf16.safetensors``: attention's matrices are filters."""
    spelled = {}
    for name, weight in weights.items():
        for pattern, target in SPELLED:
            name = re.sub(pattern, target, name)
        spelled[name] = weight[..., None, None, None] if "attn_1" in name and weight.ndim == 2 else weight
    return spelled


def small_codec() -> dict[str, torch.Tensor]:
    """Of the released size's four levels, with two layers each."""
    codec = AutoencoderKLHunyuanVideo(block_out_channels=(4, 4, 8, 8), layers_per_block=2, norm_num_groups=2)
    return codec.state_dict()


def test_every_weight_of_the_codec_comes_back() -> None:
    weights = small_codec()
    spelled = comfy_codec(weights)
    assert {"decoder.up.3.block.2.norm1.weight", "encoder.mid.attn_1.q.weight"} < spelled.keys()
    assert not any("_blocks" in name or "resnets" in name for name in spelled)
    found = to_codec(spelled)
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        assert found[name].equal(weight), name


def test_names_of_the_codec_that_are_diffusers_own_stay() -> None:
    weights = small_codec()
    found = to_codec(weights)
    assert found.keys() == weights.keys() and all(found[name] is weights[name] for name in found)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("text_model.encoder.layers.0.mlp.fc1.bias", "encoder.layers.0.mlp.fc1.bias"),
        ("transformer.text_model.final_layer_norm.weight", "final_layer_norm.weight"),
        ("vision_model.head.probe", "head.probe"),
        ("model.layers.31.mlp.up_proj.weight", "layers.31.mlp.up_proj.weight"),
        ("language_model.model.norm.weight", "norm.weight"),
        ("layers.0.input_layernorm.weight", "layers.0.input_layernorm.weight"),
    ],
)
def test_names_of_encoders_lose_the_models_around_them(name: str, found: str) -> None:
    assert list(to_encoder({name: torch.ones(1)})) == [found]
    assert not is_unused(name)


@pytest.mark.parametrize(
    "name",
    ["lm_head.weight", "text_projection.weight", "logit_scale", "text_model.embeddings.position_ids", "tokenizer",
     "model.layers.0.self_attn.rotary_emb.inv_freq"],
)  # fmt: skip
def test_what_encoders_have_no_use_for_is_known(name: str) -> None:
    assert is_unused(name)
