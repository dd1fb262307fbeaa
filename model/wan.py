"""The modules of the original Wan 2.1 by their names, as diffusers has them for Wan and Helios. No torch."""

import re

_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0"}
_BLOCK = {
    **{f"self_attn_{name}": f"attn1.{target}" for name, target in _ATTENTION.items()},
    **{f"cross_attn_{name}": f"attn2.{target}" for name, target in _ATTENTION.items()},
    "ffn_0": "ffn.net.0.proj",
    "ffn_2": "ffn.net.2",
}
_OUTSIDE = {
    "text_embedding_0": "condition_embedder.text_embedder.linear_1",
    "text_embedding_2": "condition_embedder.text_embedder.linear_2",
    "time_embedding_0": "condition_embedder.time_embedder.linear_1",
    "time_embedding_2": "condition_embedder.time_embedder.linear_2",
    "time_projection_1": "condition_embedder.time_proj",
    "head_head": "proj_out",
}


def wan_target(module: str) -> str:
    """Diffusers' module for a module of the original, with dots or underscores; empty when it is none."""
    plain = module.replace(".", "_")
    if match := re.fullmatch(r"blocks_(\d+)_(.+)", plain):
        target = _BLOCK.get(match[2], "")
        return target and f"blocks.{match[1]}.{target}"
    return _OUTSIDE.get(plain, "")
