"""LoRAs as people name them: ``NAME:WEIGHT``, and ``<lora:NAME:WEIGHT>`` in a prompt, as in other programs."""

import re
from collections.abc import Mapping
from typing import Any

from farm.errors import InputError
from model.loras.library import available
from model.settings import ModelSettings

_TAG = re.compile(r"<\s*lora\s*:\s*([^<>]*?)\s*(?::\s*([-+]?\d*\.?\d+)\s*)?>", re.IGNORECASE)
_MEANT = re.compile(r"<\s*(lora|lyco|lycoris|hypernet)\s*:[^<>]{0,40}", re.IGNORECASE)


def without_tags(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` with the LoRAs that the prompt names under ``loras``, and without their tags in the prompt.

    Raises:
        InputError: a tag can't be read, or stands in the negative prompt; says how it is meant.
    """
    values = dict(fields)
    prompt, negative = values.get("prompt"), values.get("n_prompt")
    if isinstance(prompt, str):
        named = [{"name": name, "weight": float(weight or 1)} for name, weight in _TAG.findall(prompt) if name]
        rest = re.sub(r"[ \t]{2,}", " ", _TAG.sub(" ", prompt)).strip() if named else prompt
        _refuse_tag(rest)
        if named:
            values |= {"prompt": rest, "loras": [*(values.get("loras") or ()), *named]}
    if isinstance(negative, str):
        _refuse_tag(negative)
    return values


def _refuse_tag(text: str) -> None:
    if found := _MEANT.search(text):
        raise InputError(
            f"{found[0]!r} in a prompt can't be read; a LoRA is named as <lora:NAME:0.8> in the prompt, with --lora "
            "NAME:0.8, or in the field loras."
        )


def told_apart(fields: Mapping[str, Any], settings: ModelSettings) -> dict[str, Any]:
    """``fields`` in which a LoRA whose own name ends like a weight, such as ``ratio 16:9``, is named whole.
    ``settings``: of this machine, whose LoRAs are meant."""
    loras = fields.get("loras")
    if not isinstance(loras, list | tuple) or not any(isinstance(lora, str) and ":" in lora for lora in loras):
        return dict(fields)
    known = {name.casefold() for name in available(settings)}
    told = [{"name": lora} if isinstance(lora, str) and lora.casefold() in known else lora for lora in loras]
    return {**fields, "loras": told}
