"""Conditioning: what the transformer is told about the text and the pictures, as in HunyuanVideo and FramePack."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from farm.errors import InputError

from .encoders import works_on
from .family import Tensors
from .plan.anchors import START_IMAGE
from .plan.plan import Plan, Section


@dataclass(frozen=True)
class TextSettings:
    """How a family reads a prompt; fields of family.json.

    ``template`` surrounds the prompt for the Llama encoder; ``skip_layers`` last layers of it are left out;
    ``max_tokens`` is the length its tokens are padded to, after ``crop`` tokens of the template, which the encoder
    reads and the transformer doesn't.
    """

    template: str = "{}"
    skip_layers: int = 0
    max_tokens: int = 64
    crop: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "TextSettings":
        """Of a family with these facts."""
        return cls(
            template=facts["prompt_template"],
            skip_layers=int(facts["text_layers_skip"]),
            max_tokens=int(facts["max_text_tokens"]),
            crop=int(facts.get("crop_text_tokens", 0)),
        )


def encode_text(prompt: str, tokenizer: Any, encoder: Any, settings: TextSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Token embeddings [tokens, dim] from a Llama and their mask [tokens] (bool), padded on the right."""
    tokens = tokenizer(
        settings.template.format(prompt),
        max_length=settings.crop + settings.max_tokens,
        padding="max_length",
        padding_side="right",
        truncation=True,
        return_tensors="pt",
    )
    device = works_on(encoder)
    output = encoder(
        input_ids=tokens.input_ids.to(device),
        attention_mask=tokens.attention_mask.to(device),
        output_hidden_states=True,
        use_cache=False,
    )
    hidden = output.hidden_states[-(settings.skip_layers + 1)][0, settings.crop :]
    return hidden.float(), tokens.attention_mask[0, settings.crop :].bool()


def encode_pooled(prompt: str, tokenizer: Any, encoder: Any) -> torch.Tensor:
    """CLIP's pooled embedding [dim] of the bare prompt."""
    tokens = tokenizer(
        prompt,
        max_length=encoder.config.max_position_embeddings,
        padding="max_length",
        padding_side="right",
        truncation=True,
        return_tensors="pt",
    )
    pooled: torch.Tensor = encoder(tokens.input_ids.to(encoder.device)).pooler_output[0]
    return pooled.float()


def encode_picture(image: Image.Image, processor: Any, encoder: Any) -> torch.Tensor:
    """SigLIP's patch embeddings [patches, dim] of ``image``, squeezed to the processor's size."""
    pixels = processor(images=image, return_tensors="pt").pixel_values
    hidden: torch.Tensor = encoder(pixels.to(encoder.device, encoder.dtype)).last_hidden_state[0]
    return hidden.float()


def encode_frames(pictures: Sequence[Image.Image], vae: Any) -> torch.Tensor:
    """Latents [channels, frames, height / 8, width / 8] of 1 + 4 * (frames - 1) pictures: the posterior's mode.

    The first picture gives one latent frame, every four after it another; a single one is the first frame of a video.
    """
    frames = np.stack([np.asarray(picture, dtype=np.float32) for picture in pictures])
    pixels = torch.from_numpy(frames).permute(3, 0, 1, 2) / 127.5 - 1
    posterior = vae.encode(pixels[None].to(vae.device, vae.dtype)).latent_dist
    latents: torch.Tensor = posterior.mode()[0] * vae.config.scaling_factor
    return latents.float()


def prompt_key(prompt: str) -> str:
    """The name under which a prompt's embeddings lie in the conditioning."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


def given_latents(plan: Plan, conditioning: Tensors) -> dict[int, torch.Tensor]:
    """Every latent [channels, h, w] that is given, under the number by which the plan's slots name it."""
    known = {0: conditioning["start_latent"][:, 0]}
    for anchor in plan.anchors:
        frames = conditioning[f"anchor.{anchor.name}"]
        scaled = frames if anchor.strength == 1 else anchor.strength * frames
        known |= {anchor.first + i: scaled[:, i] for i in range(anchor.frames)}
    return known


def of_section(conditioning: Tensors, section: Section) -> Tensors:
    """``conditioning`` in which the section's one prompt and one image stand for the mixture that it asks for.

    Embeddings are mixed linearly, token by token; a token that only one of two texts has keeps that text's share.

    Raises:
        InputError: a prompt was not encoded.
    """
    changed: dict[str, torch.Tensor] = {}
    if section.images:
        names = {name: "image" if name == START_IMAGE else f"image.{name}" for name, _ in section.images}
        shares = [weight * conditioning[names[name]] for name, weight in section.images]
        changed["image"] = torch.stack(shares).sum(dim=0)
    if section.blend:
        target = prompt_key(section.prompt)
        parts = [(*text_inputs(conditioning, prompt), weight) for prompt, weight in section.prompts]
        texts = [weight * text[0] * mask[0, :, None] for text, mask, _, weight in parts]
        changed[f"text.{target}"] = torch.stack(texts).sum(dim=0)
        changed[f"mask.{target}"] = torch.cat([mask for _, mask, _, _ in parts]).any(dim=0)
        changed[f"pooled.{target}"] = torch.stack([weight * pooled[0] for _, _, pooled, weight in parts]).sum(dim=0)
    return {**conditioning, **changed} if changed else conditioning


def text_inputs(
    conditioning: Tensors, prompt: str, key: str | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A prompt's token embeddings [1, tokens, dim], their mask [1, tokens] and its pooled embedding [1, dim].

    They lie under ``key``, which is by default the prompt's own.

    Raises:
        InputError: the prompt was not encoded.
    """
    key = key or prompt_key(prompt)
    if f"text.{key}" not in conditioning:
        raise InputError(f"the conditioning holds no embedding of the prompt {prompt!r}; run the encode task again.")
    return conditioning[f"text.{key}"][None], conditioning[f"mask.{key}"][None], conditioning[f"pooled.{key}"][None]
