"""The original model's names, and ComfyUI's, become diffusers' as its own converter makes them."""

import torch
from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers

from model.original import original_targets, to_diffusers
from tests.model.loras.test_pairs import ORIGINAL, comfy

NORMS = {
    "double_blocks.0.img_attn_q_norm": "double_blocks.0.img_attn.norm.query_norm",
    "double_blocks.0.txt_attn_k_norm": "double_blocks.0.txt_attn.norm.key_norm",
    "single_blocks.1.q_norm": "single_blocks.1.norm.query_norm",
    "txt_in.individual_token_refiner.blocks.0.norm1": "txt_in.individual_token_refiner.blocks.0.norm1",
}
"""In the original, and in ComfyUI."""


def weights() -> dict[str, torch.Tensor]:
    made = {}
    for module in ORIGINAL:
        rows = 12 * len(original_targets(module))
        made |= {f"{module}.weight": torch.randn(rows, 12), f"{module}.bias": torch.randn(rows)}
    return made


def test_names_are_those_of_diffusers_converter() -> None:
    original = weights() | {f"{name}.weight": torch.randn(4) for name in NORMS}
    expected = convert_hunyuan_video_transformer_to_diffusers(dict(original))
    for found in (
        to_diffusers(original),
        to_diffusers(
            {comfy(name).removeprefix("diffusion_model."): weight for name, weight in weights().items()}
            | {f"{other}.scale": original[f"{name}.weight"] for name, other in NORMS.items()}
        ),
    ):
        assert found.keys() == expected.keys()
    found = to_diffusers(original)
    for name, weight in expected.items():
        assert found[name].equal(weight), name


def test_fused_projection_of_single_blocks_is_cut_by_its_width() -> None:
    weight, bias = torch.randn(7 * 12, 12), torch.randn(7 * 12)
    found = to_diffusers({"single_blocks.0.linear1.weight": weight, "single_blocks.0.linear1.bias": bias})
    names = [f"single_transformer_blocks.0.{name}" for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]
    assert [len(found[f"{name}.bias"]) for name in names] == [12, 12, 12, 48]
    assert torch.cat([found[f"{name}.weight"] for name in names]).equal(weight)
    assert torch.cat([found[f"{name}.bias"] for name in names]).equal(bias)


def test_other_names_stay() -> None:
    plain = {"transformer_blocks.0.attn.to_q.weight": torch.ones(2, 2), "clean_x_embedder.proj.bias": torch.ones(2)}
    assert to_diffusers(plain) == plain
