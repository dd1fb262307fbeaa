"""Codecs and encoders by the names that ComfyUI's files give their weights, as diffusers' and transformers' models have
them. No torch.

Files of the original HunyuanVideo, and Kijai's, have diffusers' names for the codec; both come through unchanged.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

W = TypeVar("W", bound=Any)
"""A weight: it has a ``shape`` and can be reshaped."""

_CODEC = {
    r"mid\.block_1\.": "mid_block.resnets.0.",
    r"mid\.block_2\.": "mid_block.resnets.1.",
    r"mid\.attn_1\.norm\.": "mid_block.attentions.0.group_norm.",
    r"mid\.attn_1\.proj_out\.": "mid_block.attentions.0.to_out.0.",
    r"mid\.attn_1\.([qkv])\.": r"mid_block.attentions.0.to_\1.",
    r"down\.(\d+)\.block\.": r"down_blocks.\1.resnets.",
    r"down\.(\d+)\.downsample\.": r"down_blocks.\1.downsamplers.0.",
    r"up\.(\d+)\.block\.": r"up_blocks.\1.resnets.",
    r"up\.(\d+)\.upsample\.": r"up_blocks.\1.upsamplers.0.",
    r"norm_out\.": "conv_norm_out.",
}
"""Modules of encoder and decoder, and diffusers'; a shortcut beside convolutions has another name, too."""
_SHORTCUT = (".nin_shortcut.", ".conv_shortcut.")
_UP = re.compile(r"decoder\.up\.(\d+)\.")
"""Numbered from the last to the first."""

_AROUND = re.compile(r"^((transformer|language_model|model|text_model|vision_model)\.)+")
"""What encoders are called in the models that they were taken from."""
_UNUSED = re.compile(
    r"(.*\.)?(lm_head\.weight|text_projection(\.weight)?|logit_scale|position_ids|rotary_emb\.inv_freq)"
    r"|tokenizer|spiece_model|tekken_model"
)
"""What files hold beside an encoder: outputs for other purposes, tables that are worked out, and tokenizers."""


def to_codec(weights: Mapping[str, W]) -> dict[str, W]:
    """``weights`` under diffusers' names; others stay as they are. Attention's are matrices there, not convolutions."""
    ups = {int(match[1]) for name in weights if (match := _UP.match(name))}
    found: dict[str, W] = {}
    for name, weight in weights.items():
        turned = _UP.sub(lambda match: f"decoder.up.{max(ups) - int(match[1])}.", name)
        renamed = _codec_name(turned)
        flat = ".attentions." in renamed and len(weight.shape) > 2
        found[renamed] = weight.reshape(weight.shape[:2]) if flat else weight
    return found


def to_encoder(weights: Mapping[str, W]) -> dict[str, W]:
    """``weights`` of a text or image encoder without the names of the models around it."""
    return {_AROUND.sub("", name): weight for name, weight in weights.items()}


def is_unused(name: str) -> bool:
    """Whether an encoder's file may hold ``name`` although no encoder has such a weight."""
    return bool(_UNUSED.fullmatch(name))


def _codec_name(name: str) -> str:
    half, _, rest = name.partition(".")
    if half not in ("encoder", "decoder"):
        return name
    for pattern, target in _CODEC.items():
        rest, changed = re.subn(f"^{pattern}", target, rest)
        if changed:
            break
    return f"{half}.{rest}".replace(*_SHORTCUT)
