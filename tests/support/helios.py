"""Small Helios checkpoints in the shape of the released ones: same classes, files and keys, random weights."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.built import built_once

SEED = 13
SIZES = {"helios": [64, 96], "helios-mid": [128, 128], "helios-distilled": [64, 128]}
"""Buckets that make each variant quick; at less than 128 x 128, Mid's first stage is too small for diffusers."""
GAMMA = 0.333
"""At the released third diffusers can't factorise its noise's covariance on a CPU."""
SCHEDULERS: dict[str, dict[str, Any]] = {
    "helios": {"_class_name": "HeliosScheduler", "stages": 1, "stage_range": [0, 1]},
    "helios-mid": {"_class_name": "HeliosScheduler", "stages": 3, "gamma": GAMMA},
    "helios-distilled": {"_class_name": "HeliosDMDScheduler", "stages": 3, "gamma": GAMMA, "time_shift_type": "linear"},
}


def helios_folder(path: Path, family: str, **facts: Any) -> Path:
    """Write the parts of ``family`` as folders of ``path``, with a ``family.json`` of a small bucket and ``facts``.

    Built once, then copied; the same bytes every time. Point ``FARM_HELIOS_PATH``, ``FARM_HELIOS_MID_PATH`` ... to it.
    """
    shutil.copytree(_built(), path, dirs_exist_ok=True)
    (path / "scheduler").mkdir(exist_ok=True)
    config = {"use_dynamic_shifting": True, **SCHEDULERS[family]}
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    (path / "family.json").write_text(json.dumps({"buckets": [SIZES[family]], **facts}))
    return path


@cache
def _built() -> Path:
    """The folder that copies are made of."""
    return built_once(f"helios-like-{SEED}", __file__, _build)


def _build(folder: Path) -> None:
    import torch
    from diffusers import AutoencoderKLWan, HeliosTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    from model.puppet.build import _tokenizer

    torch.manual_seed(SEED)
    transformer = HeliosTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, rope_dim=(4, 4, 4), num_layers=2, ffn_dim=48, text_dim=32
    )
    transformer.save_pretrained(folder / "transformer", max_shard_size="100kB")
    vae = AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    vae.save_pretrained(folder / "vae")
    tokenizer = _tokenizer(300, "<s>", "</s>")
    config = UMT5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, dropout_rate=0.0
    )
    UMT5EncoderModel(config).save_pretrained(folder / "text_encoder", max_shard_size="20kB")
    tokenizer.save_pretrained(folder / "tokenizer")
