"""How the weights of LoRAs are named: every spelling is a row, here, in ``model.original`` or in ``model.wan``. No
torch.

Known are diffusers' and PEFT's names, the original HunyuanVideo's and Wan's, ComfyUI's own, and those of the trainers:
kohya's, musubi's, OneTrainer's (both forms), SimpleTuner's, Tencent's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..original import original_targets
from ..wan import wan_target

_PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "unet.")
_UNDERSCORED = ("lora_unet_", "lora_transformer_", "Hunyuan_video_I2V_lora_", "Hunyuan_video_lora_")
"""Before names in which each dot is an underscore."""
_ELSEWHERE = re.compile(r"lora_te\d*_|lora_(llama|clip)|text_encoder(_\d)?\.|(llama|clip_l|t5|bundle_emb)\.")
"""What begins so changes a text encoder."""
_ROLES = {
    r"\.lora_A(?:\.(?P<adapter>[^.]+))?\.weight": "A",
    r"\.lora[_.]down\.weight": "A",
    r"\.lora_B(?:\.(?P<adapter>[^.]+))?\.weight": "B",
    r"\.lora[_.]up\.weight": "B",
    r"\.alpha": "alpha",
}
_OTHERS = {
    r"\.dora_scale|\.lora_magnitude_vector(\..+)?": "a DoRA",
    r"\.hada_(w[12]_[ab]|t[12])": "a LoHa",
    r"\.lokr_(w[12](_[ab])?|t2)": "a LoKr",
    r"\.(oft_(blocks|diag|R)|oft_R\..+)": "an OFT",
    r"\.[ab][12]\.weight": "a GLoRA",
    r"\.lora_mid\.weight": "a LoCon with a Tucker core",
    r"\.(diff|diff_b|set_weight|w_norm|b_norm)": "a change of whole weights",
    r"\.lora(_[AB](\.[^.]+)?|[_.](down|up))\.bias": "a LoRA with biases",
}
"""Kinds of changes that can't be used, by their names' ends."""


@dataclass(frozen=True)
class Named:
    """A weight's ``name``, understood. ``module``: without a prefix, as the file spells it; ``role``: ``A``, the factor
    [rank, in], ``B``, the factor [out, rank], or ``alpha``; ``adapter``: PEFT's name for it, if there is one."""

    name: str
    module: str
    role: str
    adapter: str = ""


def read_name(name: str) -> Named | None:
    """What a weight of a LoRA is; None when its name has no known end."""
    for end, role in _ROLES.items():
        if match := re.search(f"{end}$", name):
            return Named(name, without_prefix(name[: match.start()]), role, match.groupdict().get("adapter") or "")
    return None


def other_kind(name: str) -> str:
    """The kind of change to which a weight of this name belongs, such as ``a DoRA``; "" when that isn't known."""
    return next((kind for end, kind in _OTHERS.items() if re.search(f"({end})$", name)), "")


def is_of_text(name: str) -> bool:
    """Whether a weight belongs to a text encoder."""
    return _ELSEWHERE.match(name.removeprefix("base_model.model.")) is not None


def without_prefix(name: str) -> str:
    """A name as it stands in the transformer; what its underscores stand for is left open."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return next((name.removeprefix(prefix) for prefix in _UNDERSCORED if name.startswith(prefix)), name)


def targets_of(module: str, transformer: Mapping[str, str]) -> tuple[str, ...]:
    """Diffusers' modules for a module in any known spelling; empty when it is none.

    Args:
        module: without a prefix.
        transformer: its modules by their names with underscores in place of dots.
    """
    known = transformer.get(module.replace(".", "_"))
    return (known,) if known else original_targets(module) or tuple(filter(None, [wan_target(module)]))
