"""The modules of the original HunyuanVideo by their names, there and in ComfyUI, as diffusers' model has them.

No torch. Diffusers has three or four modules where the original has one, whose rows are theirs in order.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

W = TypeVar("W", bound=Any)
"""A weight: it has a ``shape`` and can be cut by rows."""

_QKV, _ADDED = "attn.to_q attn.to_k attn.to_v", "attn.add_q_proj attn.add_k_proj attn.add_v_proj"
_FIRST, _SECOND = "(fc1|fc0|0)", "(fc2|2)"
_ONE, _TWO = "(mlp_0|in_layer|linear_1)", "(mlp_2|out_layer|linear_2)"
_SWAPPED = "final_layer_adaLN_modulation_1"
_ORIGINAL = (
    (
        r"double_blocks_(\d+)_(.+)",
        "transformer_blocks",
        {
            "img_attn_qkv": _QKV,
            "img_attn_qkv_0": "attn.to_q",
            "img_attn_qkv_1": "attn.to_k",
            "img_attn_qkv_2": "attn.to_v",
            "img_attn_(q_norm|norm_query_norm)": "attn.norm_q",
            "img_attn_(k_norm|norm_key_norm)": "attn.norm_k",
            "img_attn_proj": "attn.to_out.0",
            "img_mod_lin(ear)?": "norm1.linear",
            f"img_mlp_{_FIRST}": "ff.net.0.proj",
            f"img_mlp_{_SECOND}": "ff.net.2",
            "txt_attn_qkv": _ADDED,
            "txt_attn_qkv_0": "attn.add_q_proj",
            "txt_attn_qkv_1": "attn.add_k_proj",
            "txt_attn_qkv_2": "attn.add_v_proj",
            "txt_attn_(q_norm|norm_query_norm)": "attn.norm_added_q",
            "txt_attn_(k_norm|norm_key_norm)": "attn.norm_added_k",
            "txt_attn_proj": "attn.to_add_out",
            "txt_mod_lin(ear)?": "norm1_context.linear",
            f"txt_mlp_{_FIRST}": "ff_context.net.0.proj",
            f"txt_mlp_{_SECOND}": "ff_context.net.2",
        },
    ),
    (
        r"single_blocks_(\d+)_(.+)",
        "single_transformer_blocks",
        {
            "linear1": f"{_QKV} proj_mlp",
            "linear1_0": "attn.to_q",
            "linear1_1": "attn.to_k",
            "linear1_2": "attn.to_v",
            "linear1_3": "proj_mlp",
            "(q_norm|norm_query_norm)": "attn.norm_q",
            "(k_norm|norm_key_norm)": "attn.norm_k",
            "linear2": "proj_out",
            "modulation_lin(ear)?": "norm.linear",
        },
    ),
    (
        r"txt_in_individual_token_refiner_blocks_(\d+)_(.+)",
        "context_embedder.token_refiner.refiner_blocks",
        {
            "self_attn_qkv": _QKV,
            "self_attn_qkv_0": "attn.to_q",
            "self_attn_qkv_1": "attn.to_k",
            "self_attn_qkv_2": "attn.to_v",
            "self_attn_proj": "attn.to_out.0",
            f"mlp_{_FIRST}": "ff.net.0.proj",
            f"mlp_{_SECOND}": "ff.net.2",
            "adaLN_modulation_1": "norm_out.linear",
            "norm1": "norm1",
            "norm2": "norm2",
        },
    ),
    (
        r"()(.+)",
        "",
        {
            "img_in_proj": "x_embedder.proj",
            f"time_in_{_ONE}": "time_text_embed.timestep_embedder.linear_1",
            f"time_in_{_TWO}": "time_text_embed.timestep_embedder.linear_2",
            f"guidance_in_{_ONE}": "time_text_embed.guidance_embedder.linear_1",
            f"guidance_in_{_TWO}": "time_text_embed.guidance_embedder.linear_2",
            f"vector_in_{_ONE}": "time_text_embed.text_embedder.linear_1",
            f"vector_in_{_TWO}": "time_text_embed.text_embedder.linear_2",
            "txt_in_input_embedder": "context_embedder.proj_in",
            f"txt_in_t_embedder_{_ONE}": "context_embedder.time_text_embed.timestep_embedder.linear_1",
            f"txt_in_t_embedder_{_TWO}": "context_embedder.time_text_embed.timestep_embedder.linear_2",
            f"txt_in_c_embedder_{_ONE}": "context_embedder.time_text_embed.text_embedder.linear_1",
            f"txt_in_c_embedder_{_TWO}": "context_embedder.time_text_embed.text_embedder.linear_2",
            "final_layer_linear": "proj_out",
            _SWAPPED: "norm_out.linear",
        },
    ),
)


@lru_cache(maxsize=4096)
def original_targets(module: str) -> tuple[str, ...]:
    """Diffusers' modules for a module of the original model, in any spelling of it; empty when it is none."""
    plain = module.replace(".", "_")
    for pattern, blocks, names in _ORIGINAL:
        if match := re.fullmatch(pattern, plain):
            for name, targets in names.items():
                if re.fullmatch(name, match[2]):
                    before = f"{blocks}.{match[1]}." if blocks else ""
                    return tuple(f"{before}{target}" for target in targets.split())
    return ()


def is_swapped(module: str) -> bool:
    """Whether the halves of its output, shift and scale, stand the other way round in diffusers' model."""
    return module.replace(".", "_") == _SWAPPED


def shares(targets: Sequence[str], rows: int, width: int) -> list[int]:
    """Rows of each target of one matrix [rows, width]: q, k and v are square, what is left belongs to the last."""
    first = [width] * (len(targets) - 1)
    return [*first, rows - sum(first)]


def to_diffusers(weights: Mapping[str, W]) -> dict[str, W]:
    """``weights`` under diffusers' names, cut where it has several modules for one; others stay as they are."""
    found: dict[str, W] = {}
    for name, weight in weights.items():
        module, _, kind = name.rpartition(".")
        targets = original_targets(module)
        if not targets:
            found[name] = weight
            continue
        rows = weight.shape[0]
        width = weights[f"{module}.weight"].shape[1] if len(targets) > 1 else rows
        parts, start = [], 0
        for count in shares(targets, rows, width):
            parts.append(weight[start : start + count])
            start += count
        if is_swapped(module):
            parts = [weight.roll(rows // 2, 0)]
        kind = "weight" if kind == "scale" else kind
        found |= {f"{target}.{kind}": part for target, part in zip(targets, parts, strict=True)}
    return found
