"""Small checkpoints in the shape of the released ones: the same classes, files, shards and keys, random weights."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.built import built_once

SEED = 11
PARTS = (
    "transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "image_encoder",
    "feature_extractor",
)  # fmt: skip


def released_folder(path: Path, **facts: Any) -> Path:
    """Write all parts as folders of ``path``, with a ``family.json`` of small buckets and ``facts``; return it.

    Built once, in about four seconds, then copied; the same bytes every time. Point ``FARM_FRAMEPACK_PATH`` to it.
    """
    shutil.copytree(_built(), path, dirs_exist_ok=True)
    (path / "family.json").write_text(json.dumps({"buckets": [[64, 64], [64, 96]], **facts}))
    return path


def released_repositories(path: Path, transformer: str = "lllyasviel/FramePackI2V_HY") -> Path:
    """The same parts as repositories ``owner/name`` below ``path``, with files that nobody needs beside them."""
    source = _built()
    places = {
        "transformer": transformer,
        "image_encoder": "lllyasviel/flux_redux_bfl/image_encoder",
        "feature_extractor": "lllyasviel/flux_redux_bfl/feature_extractor",
    }
    for part in PARTS:
        target = path / places.get(part, f"hunyuanvideo-community/HunyuanVideo/{part}")
        shutil.copytree(source / part, target, dirs_exist_ok=True)
    unneeded = path / "hunyuanvideo-community/HunyuanVideo/transformer/diffusion_pytorch_model.safetensors"
    unneeded.parent.mkdir()
    unneeded.write_bytes(b"x" * 100_000)
    (path / transformer / "README.md").write_text("# Model card\n")
    return path


def pad(file: Path, size: int) -> None:
    """Make a file larger than the pieces in which it is downloaded, by metadata."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(file), file, metadata={"format": "pt", "padding": "x" * size})


@cache
def _built() -> Path:
    """The folder that copies are made of."""
    return built_once(f"released-like-{SEED}", __file__, _build)


def _build(folder: Path) -> None:
    """Shards of the transformer (bf16) and the Llama (fp16), as in the real repositories."""
    import torch
    from diffusers import AutoencoderKLHunyuanVideo, HunyuanVideoFramepackTransformer3DModel
    from tokenizers import AddedToken
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        LlamaConfig,
        LlamaModel,
        SiglipImageProcessorPil,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    from model.facts import family_facts
    from model.puppet.build import _tokenizer

    torch.manual_seed(SEED)
    tokenizer, tokenizer_2 = _tokenizer(400, "<s>", "</s>"), _tokenizer(300, "<|startoftext|>", "<|endoftext|>")
    tokenizer.model_max_length = 100_000
    words = family_facts("framepack")["prompt_template"].replace("<|", " <|").replace("|>", "|> ").split()
    # A token for each word of the template and mark of a turn, so that it is about as long as with Llama 3's tokenizer.
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in sorted(set(words))])
    transformer = HunyuanVideoFramepackTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        num_single_layers=2,
        num_refiner_layers=1,
        text_embed_dim=32,
        pooled_projection_dim=32,
        rope_axes_dim=(4, 6, 6),
        has_image_proj=True,
        image_proj_dim=24,
        has_clean_x_embedder=True,
    )
    transformer.to(torch.bfloat16).save_pretrained(folder / "transformer", max_shard_size="300kB")
    vae = AutoencoderKLHunyuanVideo(block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4)
    vae.half().save_pretrained(folder / "vae")
    llama = LlamaModel(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
        )
    )
    llama.half().save_pretrained(folder / "text_encoder", max_shard_size="60kB")
    ids = {name: getattr(tokenizer_2, f"{name}_id") for name in ("bos_token", "eos_token", "pad_token")}
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer_2),
            hidden_size=32,
            intermediate_size=64,
            projection_dim=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=ids["bos_token"],
            eos_token_id=ids["eos_token"],
            pad_token_id=ids["pad_token"],
        )
    )
    clip.half().save_pretrained(folder / "text_encoder_2")
    siglip = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=24,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=48,
            patch_size=16,
        )
    )
    siglip.half().save_pretrained(folder / "image_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    tokenizer_2.save_pretrained(folder / "tokenizer_2")
    SiglipImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(folder / "feature_extractor")
