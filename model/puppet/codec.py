"""The puppet's video codec: 8x8 in space, 4x in time, 16 channels, all convolutions at latent resolution.

The first latent frame holds the first picture alone, every further one four pictures, as in HunyuanVideo's
autoencoder. Each latent is coded on its own, so a video can be cut anywhere and decoded in pieces.
"""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

TIME = 4
SPACE = 8
PATCH = 3 * TIME * SPACE * SPACE
"""Values of a patch of four pictures, which becomes one latent pixel."""
ENLARGED = 2
"""How many times higher and wider pictures are with details."""
DEEP_BLOCKS = 2
"""Residual blocks of the details at latent resolution."""


@dataclass
class PointDistribution:
    """The posterior of a codec without noise: its mode, mean and every sample are ``latents``."""

    latents: torch.Tensor

    def mode(self) -> torch.Tensor:
        return self.latents

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.latents


class GroupCodec:
    """What codecs share that code each latent on its own: the way between videos and groups of four pictures.

    ``space`` is how many pixels high and wide a latent is.
    """

    space: int

    def encode_groups(self, groups: torch.Tensor) -> torch.Tensor:
        """Raw latents [n, channels, h/space, w/space] of groups of four pictures [n, 3, 4, height, width]."""
        raise NotImplementedError

    def decode_groups(self, latents: torch.Tensor) -> torch.Tensor:
        """Groups of four pictures [n, 3, 4, height, width] of raw latents [n, channels, h/space, w/space]."""
        raise NotImplementedError

    def encode(self, x: torch.Tensor) -> AutoencoderKLOutput:
        """Encode pictures [batch, 3, 1 + 4n, height, width] in [-1, 1] to latents [batch, channels, 1 + n, ...].

        Raises:
            ValueError: the number of frames is not 1 + 4n, or a side is no multiple of ``space``.
        """
        batch, _, frames, height, width = x.shape
        if (frames - 1) % TIME or height % self.space or width % self.space:
            raise ValueError(
                f"expected 1 + 4n frames with sides in multiples of {self.space}, got {frames} of {height}x{width}."
            )
        x = torch.cat([x[:, :, :1].expand(-1, -1, TIME - 1, -1, -1), x], dim=2)
        groups = x.unflatten(2, (-1, TIME)).transpose(1, 2).flatten(0, 1)  # [batch * (1 + n), 3, TIME, height, width]
        latents = self.encode_groups(groups)
        return AutoencoderKLOutput(latent_dist=PointDistribution(latents.unflatten(0, (batch, -1)).transpose(1, 2)))

    def decode(self, z: torch.Tensor, return_dict: bool = True) -> DecoderOutput | tuple[torch.Tensor]:
        """Decode latents [batch, channels, 1 + n, h, w] to pictures [batch, 3, 1 + 4n, ...] in about [-1, 1].

        One latent at a time: convolutions round differently in batches of different sizes, and a video decoded in
        pieces shall have the same bits.
        """
        batch = z.shape[0]
        groups = torch.cat([self.decode_groups(latent) for latent in z.transpose(1, 2).flatten(0, 1).split(1)])
        video = groups.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2, 3)[:, :, TIME - 1 :]
        return DecoderOutput(sample=video) if return_dict else (video,)


class ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.spread = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mix(nn.functional.silu(self.spread(nn.functional.silu(self.norm(x)))))


class _Lift(nn.Module):
    """Between patches and features: a linear map, and a small network beside it for what a linear map can't say."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(inputs, outputs, 1)
        self.widen = nn.Conv2d(inputs, hidden, 1)
        self.narrow = nn.Conv2d(hidden, outputs, 1)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.narrow(nn.functional.silu(self.widen(x)))


class Encoder(nn.Module):
    """The way from groups of four pictures to latents; ``AutoencoderPuppet`` has the same layers by the same names."""

    def __init__(self, latent_channels: int, width: int, blocks: int) -> None:
        super().__init__()
        _add_encoder(self, latent_channels, width, blocks)

    def forward(self, groups: torch.Tensor) -> torch.Tensor:
        """Raw latents [n, channels, h/8, w/8] of groups of four pictures [n, 3, 4, height, width]."""
        return _encoded(self, groups)


class Details(nn.Module):
    """The way from a decoder's features and its pictures to pictures ``ENLARGED`` times as high and wide.

    Most of it works on cells finer than a latent, and sees past the edges of one.
    """

    CELL = 4
    """How many pixels of the larger pictures a cell is high and wide."""

    def __init__(self, features: int, width: int, deep_blocks: int, blocks: int) -> None:
        super().__init__()
        self.cells = ENLARGED * SPACE // self.CELL
        self.enter = nn.Conv2d(features, features, 1)
        self.deep_blocks = nn.Sequential(*[ResidualBlock(features) for _ in range(deep_blocks)])
        self.lift = nn.Conv2d(features, width * self.cells**2, 1)
        self.look = nn.Conv2d(3 * TIME * (self.CELL // ENLARGED) ** 2, width, 1)
        self.blocks = nn.Sequential(*[ResidualBlock(width) for _ in range(blocks)])
        self.draw = nn.Conv2d(width, 3 * TIME * self.CELL**2, 1)
        for weight in self.draw.parameters():
            nn.init.zeros_(weight)

    def forward(self, pictures: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """[n, 12, 16 * h, 16 * w] of pictures [n, 12, 8 * h, 8 * w] and features [n, features, h, w]."""
        cells = self.look(nn.functional.pixel_unshuffle(pictures, self.CELL // ENLARGED))
        deep = self.lift(self.deep_blocks(self.enter(features)))
        cells = self.blocks(cells + nn.functional.pixel_shuffle(deep, self.cells))
        enlarged = nn.functional.interpolate(pictures, scale_factor=ENLARGED, mode="bilinear")
        return enlarged + nn.functional.pixel_shuffle(self.draw(cells), self.CELL)


def _add_encoder(module: Any, latent_channels: int, width: int, blocks: int) -> None:
    module.encode_in = _Lift(PATCH, 2 * width, width)
    module.encode_blocks = nn.Sequential(*[ResidualBlock(width) for _ in range(blocks)])
    module.encode_out = nn.Conv2d(width, latent_channels, 1)


def _encoded(module: Any, groups: torch.Tensor) -> torch.Tensor:
    patches = nn.functional.pixel_unshuffle(groups.flatten(1, 2), SPACE)
    latents: torch.Tensor = module.encode_out(module.encode_blocks(module.encode_in(patches)))
    return latents


class AutoencoderPuppet(GroupCodec, ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Codec of the puppet family with the interface of diffusers' video autoencoders.

    Args:
        latent_channels: channels of a latent.
        width: channels of the convolutions.
        encoder_blocks, decoder_blocks: residual blocks on either side.
        scaling_factor: multiplies raw latents, so that they have about unit variance.
        detail_blocks: residual blocks that draw pictures ``ENLARGED`` times as high and wide, from the same latents:
            encoded are pictures made as much smaller. None: no details.
        detail_width: channels of those blocks.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        width: int = 192,
        encoder_blocks: int = 2,
        decoder_blocks: int = 5,
        scaling_factor: float = 1.0,
        detail_blocks: int = 0,
        detail_width: int = 64,
    ) -> None:
        super().__init__()
        _add_encoder(self, latent_channels, width, encoder_blocks)
        self.decode_in = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.decode_blocks = nn.Sequential(*[ResidualBlock(width) for _ in range(decoder_blocks)])
        self.decode_out = _Lift(width, 4 * width, PATCH)
        self.details = Details(width, detail_width, DEEP_BLOCKS, detail_blocks) if detail_blocks else None
        self.enable_details()

    def enable_details(self) -> None:
        """Work on pictures with details, if it has some, as at first."""
        self.space = SPACE if self.details is None else ENLARGED * SPACE

    def disable_details(self) -> None:
        """Work on smaller pictures, without details, until they are enabled."""
        self.space = SPACE

    def deepen_decoder(self, blocks: int) -> None:
        """Append residual blocks until the decoder has ``blocks``; new ones change nothing until they learn."""
        for _ in range(blocks - len(self.decode_blocks)):
            block = ResidualBlock(self.config.width)
            for weight in block.mix.parameters():
                nn.init.zeros_(weight)
            self.decode_blocks.append(block)
        self.register_to_config(decoder_blocks=len(self.decode_blocks))

    def settle(self, groups: torch.Tensor) -> None:
        """Set ``scaling_factor`` so that the latents of ``groups`` [n, 3, 4, h, w] uint8 have unit variance."""
        with torch.no_grad():
            raw = torch.cat([self.encode_groups(some.float() / 127.5 - 1) for some in groups.split(64)])
        self.register_to_config(scaling_factor=1 / raw.std().item())

    def with_details(self, blocks: int) -> "AutoencoderPuppet":
        """The same, with details if ``blocks``, which change nothing but the size until they learn; or without."""
        other: AutoencoderPuppet = type(self).from_config(self.config, detail_blocks=blocks)
        known = self.state_dict()
        other.load_state_dict({name: known.get(name, weight) for name, weight in other.state_dict().items()})
        return other

    def encode_groups(self, groups: torch.Tensor) -> torch.Tensor:
        if self.space > SPACE:
            groups = nn.functional.avg_pool2d(groups.flatten(1, 2), ENLARGED).unflatten(1, (3, TIME))
        return _encoded(self, groups)

    def decode_groups(self, latents: torch.Tensor) -> torch.Tensor:
        pictures, features = self.draw(latents)
        if self.details is not None and self.space > SPACE:
            pictures = self.details(pictures, features)
        return pictures.unflatten(1, (3, TIME))

    def draw(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures [n, 12, 8 * h, 8 * w] without details, and features [n, width, h, w], of raw latents."""
        features = self.decode_blocks(self.decode_in(latents))
        return nn.functional.pixel_shuffle(self.decode_out(features), SPACE), features
