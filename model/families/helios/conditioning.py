"""What Helios is told: UMT5's text, and given pictures as latents under a little noise."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from farm.errors import InputError
from model.conditioning import prompt_key
from model.encoders import works_on
from model.family import Tensors
from model.plan.plan import Section

NOISE = (0.111, 0.135)
"""Between these lies the noise level of given pictures: the model was trained on imperfect history."""
STILL_FRAMES = 33
"""Of the still video whose last latent stands for what went before a picture: one section."""


def clean(prompt: str) -> str:
    """A prompt without HTML's spellings and without breaks."""
    return " ".join(html.unescape(html.unescape(prompt)).split())


def encode_text(prompt: str, tokenizer: Any, encoder: Any, tokens: int) -> torch.Tensor:
    """UMT5's embeddings [tokens, dim]; those of the padding are zeros."""
    read = tokenizer(
        [clean(prompt)],
        padding="max_length",
        max_length=tokens,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    device = works_on(encoder)
    mask = read.attention_mask.to(device)
    hidden = encoder(read.input_ids.to(device), mask).last_hidden_state[0]
    length = int(mask.gt(0).sum())
    text = torch.zeros_like(hidden)
    text[:length] = hidden[:length]
    return text.float()


def text_of(conditioning: Tensors, section: Section) -> torch.Tensor:
    """The embeddings [1, tokens, dim] of a section's prompts, mixed by their weights.

    Raises:
        InputError: a prompt was not encoded.
    """
    shares = []
    for prompt, weight in section.prompts:
        name = f"text.{prompt_key(prompt)}"
        if name not in conditioning:
            raise InputError(f"the conditioning holds no embedding of {prompt!r}; run the encode task again.")
        shares.append(conditioning[name] if weight == 1 else weight * conditioning[name])
    return sum(shares[1:], shares[0])[None]


class Pictures:
    """Latents of given pictures as Helios' history takes them: drawn from the codec's posterior and noised.

    Draws come from one generator, in the order of diffusers' pipelines: all posteriors, then the noise.

    Args:
        vae: the codec, on the device where it works.
        mean, deviation: of its latents [1, channels, 1, 1, 1], the latter as it divides: 1 / standard deviation.
        seed: of the draws.
    """

    def __init__(self, vae: Any, mean: torch.Tensor, deviation: torch.Tensor, seed: int) -> None:
        self._vae, self._mean, self._deviation = vae, mean, deviation
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def still(self, picture: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Of a picture: its latent, and the last one of a still video of it, both [channels, 1, h, w]."""
        pixels = _pixels([picture])
        first = self._encode(pixels)
        last = self._encode(pixels.repeat(1, 1, STILL_FRAMES, 1, 1))[:, :, -1:]
        return self._noised(first)[0], self._noised(last)[0]

    def video(
        self, first: Image.Image, pictures: Sequence[Image.Image], frames: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of a video: its first picture's latent [channels, 1, h, w], and the last ``frames`` [channels, frames, h, w].

        Args:
            first: its first picture of all.
            pictures: whole sections of 33 from its end, each encoded by itself.
            frames: latent frames; where there are fewer, zeros stand before them.
        """
        begin = self._encode(_pixels([first]))
        pieces = [pictures[i : i + STILL_FRAMES] for i in range(0, len(pictures), STILL_FRAMES)]
        encoded = [self._encode(_pixels(piece)) for piece in pieces]
        begin = self._noised(begin)
        noised = torch.cat([self._noised(piece, each=True) for piece in encoded], dim=2)
        missing = max(0, frames - noised.shape[2])
        return begin[0], torch.nn.functional.pad(noised[0, :, -frames:], (0, 0, 0, 0, missing, 0))

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        posterior = self._vae.encode(pixels.to(self._vae.device, self._vae.dtype)).latent_dist
        latents = posterior.sample(generator=self._generator)
        return ((latents - self._mean) * self._deviation).float().cpu()

    def _noised(self, latents: torch.Tensor, each: bool = False) -> torch.Tensor:
        """``each``: with a level for each latent frame."""
        low, high = NOISE
        drawn = torch.rand(latents.shape[2] if each else 1, generator=self._generator)
        sigma = (drawn * (high - low) + low).view(1, 1, -1, 1, 1)
        return sigma * torch.randn(latents.shape, generator=self._generator) + (1 - sigma) * latents


def _pixels(pictures: Sequence[Image.Image]) -> torch.Tensor:
    """[1, 3, frames, height, width] from -1 to 1."""
    frames = np.stack([np.asarray(picture, dtype=np.float32) / 255.0 for picture in pictures])
    return 2.0 * torch.from_numpy(frames).permute(3, 0, 1, 2)[None] - 1.0
