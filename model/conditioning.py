"""Conditioning: what the transformer is told about the text and the start image, as in HunyuanVideo and FramePack."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image


@dataclass(frozen=True)
class TextSettings:
    """How a family reads a prompt; fields of family.json.

    ``template`` surrounds the prompt for the Llama encoder; ``skip_layers`` last layers of it are left out;
    ``max_tokens`` is the length its tokens are padded to.
    """

    template: str = "{}"
    skip_layers: int = 0
    max_tokens: int = 64


def encode_text(prompt: str, tokenizer: Any, encoder: Any, settings: TextSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Token embeddings [tokens, dim] from a Llama and their mask [tokens] (bool), padded on the right."""
    tokens = tokenizer(
        settings.template.format(prompt),
        max_length=settings.max_tokens,
        padding="max_length",
        truncation=True,
        return_tensors="pt",
    )
    output = encoder(
        input_ids=tokens.input_ids.to(encoder.device),
        attention_mask=tokens.attention_mask.to(encoder.device),
        output_hidden_states=True,
    )
    hidden = output.hidden_states[-(settings.skip_layers + 1)][0]
    return hidden.float(), tokens.attention_mask[0].bool()


def encode_pooled(prompt: str, tokenizer: Any, encoder: Any) -> torch.Tensor:
    """CLIP's pooled embedding [dim] of the bare prompt."""
    tokens = tokenizer(
        prompt,
        max_length=encoder.config.max_position_embeddings,
        padding="max_length",
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


def encode_start(image: Image.Image, vae: Any) -> torch.Tensor:
    """Latent [channels, 1, height / 8, width / 8] of ``image`` as the first frame of a video: the posterior's mode."""
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1
    posterior = vae.encode(pixels[None, :, None].to(vae.device, vae.dtype)).latent_dist
    latent: torch.Tensor = posterior.mode()[0] * vae.config.scaling_factor
    return latent.float()
