"""Building the puppet: real classes with small configs, saved in the layout of a diffusers pipeline."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from farm.errors import InputError
from model.checkpoint import open_checkpoint
from model.components import load_processor, load_weights
from model.renderer import codec_class
from model.settings import ModelSettings
from model.transformer import PackedTransformer

from .codec import ENLARGED, AutoencoderPuppet
from .layered import COARSE, LayeredAutoencoderPuppet
from .prompts import corpus

LAYOUT = "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td"
ORDERS = ("vanilla", "inverted", "endpoints", "bisect", "fanout:2", "fanout:4", "fanout:8")


@dataclass(frozen=True)
class PuppetConfig:
    """Sizes of a puppet. The defaults are those of the shipped checkpoint before its decoder was deepened."""

    resolution: int = 64
    codec_width: int = 192
    codec_encoder_blocks: int = 2
    codec_decoder_blocks: int = 5
    heads: int = 4
    head_dim: int = 48
    double_blocks: int = 2
    single_blocks: int = 4
    refiner_blocks: int = 1
    text_dim: int = 128
    text_layers: int = 3
    pooled_dim: int = 96
    image_dim: int = 96
    image_layers: int = 2
    vocabulary: int = 768
    max_text_tokens: int = 40


@dataclass
class Components:
    """All modules of a puppet, named as in a HunyuanVideo pipeline folder; their own configs tell their sizes.

    ``training`` are the facts of their training so far, empty for random weights.
    """

    config: PuppetConfig
    transformer: PackedTransformer
    vae: AutoencoderPuppet | LayeredAutoencoderPuppet
    text_encoder: LlamaModel
    text_encoder_2: CLIPTextModel
    image_encoder: SiglipVisionModel
    tokenizer: PreTrainedTokenizerFast
    tokenizer_2: PreTrainedTokenizerFast
    feature_extractor: SiglipImageProcessorPil
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trained(self) -> tuple[nn.Module, ...]:
        """The modules that learn together: all but the codec, which comes first."""
        return (self.transformer, self.text_encoder, self.text_encoder_2, self.image_encoder)

    @property
    def has_details(self) -> bool:
        """Whether its codec draws the same latents at two sizes."""
        return isinstance(self.vae, AutoencoderPuppet) and self.vae.details is not None

    def save(self, path: Path, dtype: torch.dtype = torch.float16, facts: dict[str, Any] | None = None) -> None:
        """Write the folder: one sub-folder per component, ``model_index.json`` and ``family.json``.

        The transformer is written as diffusers' class, which has the same weights and can read it.
        Weights are stored as ``dtype``; the modules in memory keep theirs.
        """
        index: dict[str, Any] = {"_class_name": "HunyuanVideoFramepackPipeline"}
        for name in ("transformer", "vae", "text_encoder", "text_encoder_2", "image_encoder"):
            module = getattr(self, name)
            saved_as = HunyuanVideoFramepackTransformer3DModel if name == "transformer" else type(module)
            (path / name).mkdir(parents=True, exist_ok=True)
            if name in ("transformer", "vae"):
                config = json.loads(module.to_json_string())
                config.pop("_name_or_path", None)  # where it was read from
                if name == "transformer":
                    del config["extra_kernels"]  # the puppet's layout needs none
                    if not config["clean_channels"]:
                        del config["clean_channels"]
                    config["_class_name"] = saved_as.__name__
                _write_json(path / name / "config.json", config)
                file = "diffusion_pytorch_model.safetensors"
            else:
                module.config.save_pretrained(path / name)
                file = "model.safetensors"
            weights = {key: value.detach().cpu().to(dtype).contiguous() for key, value in module.state_dict().items()}
            save_file(weights, path / name / file, metadata={"format": "pt"})
            index[name] = [saved_as.__module__.split(".")[0], saved_as.__name__]
        for tokenizer in (self.tokenizer, self.tokenizer_2):  # else how the last prompts were padded is written, too
            tokenizer.backend_tokenizer.no_padding()
            tokenizer.backend_tokenizer.no_truncation()
        for name in ("tokenizer", "tokenizer_2", "feature_extractor"):
            getattr(self, name).save_pretrained(path / name)
            index[name] = ["transformers", type(getattr(self, name)).__name__]
        _write_json(path / "model_index.json", index)
        _write_json(path / "family.json", self.family() | (facts or {}))

    def family(self) -> dict[str, Any]:
        """Facts that the weights don't tell: layout, orders, rates, buckets, how prompts are read."""
        side = self.config.resolution
        return {
            "name": "puppet",
            "title": "Puppet, the bundled miniature",
            "layout": LAYOUT,
            "orders": list(ORDERS),
            "default_order": "bisect",
            "fps": 30,
            "max_seconds": 3600,
            "buckets": [[side, side]],
            "latent_channels": self.transformer.config.in_channels,
            "latent_pixels": self.vae.space,
            **({"resolutions": [side // ENLARGED], "same_latents": True} if self.has_details else {}),
            "decode_overlap": 1,
            "prompt_template": "{}",
            "text_layers_skip": 0,
            "max_text_tokens": self.config.max_text_tokens,
        }


def read(path: Path, settings: ModelSettings) -> Components:
    """All components of the checkpoint folder ``path``, in fp32 on the CPU, ready to learn on; ``settings``: of this
    machine.

    Raises:
        CheckpointError: the folder or a component is missing or broken.
    """
    checkpoint = open_checkpoint(path, settings)
    family = checkpoint.family
    modules = {
        "transformer": PackedTransformer,
        "vae": codec_class(checkpoint.parts["vae"]),
        "text_encoder": LlamaModel,
        "text_encoder_2": CLIPTextModel,
        "image_encoder": SiglipVisionModel,
    }
    processors = {
        "tokenizer": PreTrainedTokenizerFast,
        "tokenizer_2": PreTrainedTokenizerFast,
        "feature_extractor": SiglipImageProcessorPil,
    }
    cpu = torch.device("cpu")
    return Components(
        PuppetConfig(resolution=family["buckets"][0][0], max_text_tokens=family["max_text_tokens"]),
        **{name: load_weights(kind, path / name, cpu).requires_grad_(True) for name, kind in modules.items()},
        **{name: load_processor(kind, path / name) for name, kind in processors.items()},
        training=family.get("training", {}),
    )


def grow(small: Components) -> Components:
    """A puppet of twice the height and width that starts from what a small one knows.

    Both layers of its codec begin as the small one's. Its transformer does with the coarse channels what the small one
    does, and leaves the fine ones, which it is to predict clean, at zero, until it has learnt them.
    """
    config = {name: value for name, value in small.vae.config.items() if not name.startswith("_")}
    vae = LayeredAutoencoderPuppet(config, config["width"], config["encoder_blocks"], config["scaling_factor"])
    known = small.vae.state_dict()
    vae.fine_codec.load_state_dict(known)
    vae.coarse_encoder.load_state_dict({name: value for name, value in known.items() if name.startswith("encode")})
    coarse, fine = vae.coarse_channels, COARSE**2 * vae.coarse_channels
    transformer = PackedTransformer.from_config(
        small.transformer.config, in_channels=coarse + fine, out_channels=coarse + fine, clean_channels=fine
    )
    old = small.transformer.state_dict()
    for name, weight in transformer.state_dict().items():
        weight.zero_()
        weight[tuple(slice(length) for length in old[name].shape)] = old[name]
    resolution = COARSE * small.config.resolution
    return replace(small, config=replace(small.config, resolution=resolution), transformer=transformer, vae=vae)


def detailed(parts: Components, blocks: int) -> Components:
    """The same puppet, whose codec has details of so many blocks, or with 0 has none."""
    if not isinstance(parts.vae, AutoencoderPuppet):
        if blocks:
            raise InputError("details: the codec of a puppet in layers has none.")
        return parts
    if parts.vae.config.detail_blocks == blocks:
        return parts
    vae = parts.vae.with_details(blocks)
    resolution = parts.config.resolution * vae.space // parts.vae.space
    return replace(parts, config=replace(parts.config, resolution=resolution), vae=vae)


def build(config: PuppetConfig | None = None, seed: int = 0) -> Components:
    """Make all components with random weights drawn from ``seed``, in fp32 on the CPU."""
    c = config or PuppetConfig()
    third = c.head_dim // 3 // 2 * 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        llama, clip = (
            _tokenizer(c.vocabulary, "<s>", "</s>"),
            _tokenizer(c.vocabulary, "<|startoftext|>", "<|endoftext|>"),
        )
        transformer = PackedTransformer(
            num_attention_heads=c.heads,
            attention_head_dim=c.head_dim,
            num_layers=c.double_blocks,
            num_single_layers=c.single_blocks,
            num_refiner_layers=c.refiner_blocks,
            text_embed_dim=c.text_dim,
            pooled_projection_dim=c.pooled_dim,
            rope_axes_dim=(c.head_dim - 2 * third, third, third),
            has_image_proj=True,
            image_proj_dim=c.image_dim,
            has_clean_x_embedder=True,
        )
        vae = AutoencoderPuppet(
            width=c.codec_width, encoder_blocks=c.codec_encoder_blocks, decoder_blocks=c.codec_decoder_blocks
        )
        text_encoder = LlamaModel(
            LlamaConfig(
                vocab_size=len(llama),
                hidden_size=c.text_dim,
                intermediate_size=2 * c.text_dim,
                num_hidden_layers=c.text_layers,
                num_attention_heads=4,
                num_key_value_heads=4,
                max_position_embeddings=256,
                bos_token_id=llama.bos_token_id,
                eos_token_id=llama.eos_token_id,
                pad_token_id=llama.pad_token_id,
            )
        )
        text_encoder_2 = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(clip),
                hidden_size=c.pooled_dim,
                intermediate_size=2 * c.pooled_dim,
                projection_dim=c.pooled_dim,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=77,
                bos_token_id=clip.bos_token_id,
                eos_token_id=clip.eos_token_id,
                pad_token_id=clip.pad_token_id,
            )
        )
        image_encoder = SiglipVisionModel(
            SiglipVisionConfig(
                hidden_size=c.image_dim,
                intermediate_size=2 * c.image_dim,
                num_hidden_layers=c.image_layers,
                num_attention_heads=4,
                image_size=64,
                patch_size=16,
                vision_use_head=False,
            )
        )
    extractor = SiglipImageProcessorPil(size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return Components(c, transformer, vae, text_encoder, text_encoder_2, image_encoder, llama, clip, extractor)


def _tokenizer(vocabulary: int, start: str, end: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer learnt from the puppet's prompts; any text can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", end, start],  # transformers treats a CLIP whose end token is 2 as a legacy one
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.token_to_id(start)), (end, tokenizer.token_to_id(end))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token=end,
        pad_token="<pad>",
        model_max_length=77,
        padding_side="right",
    )


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n")
