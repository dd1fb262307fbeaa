"""The codec of larger puppets: 16x16 in space, 4x in time, in two layers.

The coarse layer's channels are those of the small puppet's codec, for the picture at half its size; the fine layer's
are those of such a codec for the whole picture, four of its latents in one. Pictures are made of the fine layer alone.
The coarse one is there for the transformer: one that knows the small puppet knows what moves, and where.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor
from torch.nn.functional import avg_pool2d, pixel_shuffle, pixel_unshuffle

from .codec import SPACE, TIME, AutoencoderPuppet, Encoder, GroupCodec

COARSE = 2
"""The coarse layer sees pictures of half the height and width."""


class LayeredAutoencoderPuppet(GroupCodec, ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Codec with the interface of diffusers' video autoencoders.

    Args:
        fine: the config of the ``AutoencoderPuppet`` of the fine layer.
        coarse_width, coarse_blocks: channels of the coarse encoder's convolutions, and its residual blocks.
        scaling_factor: multiplies raw latents, so that they have about unit variance.
    """

    space = COARSE * SPACE

    @register_to_config
    def __init__(
        self, fine: Mapping[str, Any], coarse_width: int = 192, coarse_blocks: int = 2, scaling_factor: float = 1.0
    ) -> None:
        super().__init__()
        self.fine_codec = AutoencoderPuppet(**fine)
        self.coarse_encoder = Encoder(self.coarse_channels, coarse_width, coarse_blocks)

    @property
    def coarse_channels(self) -> int:
        """The first channels of a latent, those of the coarse layer."""
        return int(self.fine_codec.config.latent_channels)

    def settle(self, groups: Tensor) -> None:
        """Nothing to do: the scale is the small codec's, with which the transformer began."""

    def encode_groups(self, groups: Tensor) -> Tensor:
        coarse = self.coarse_encoder(avg_pool2d(groups.flatten(1, 2), COARSE).unflatten(1, (3, TIME)))
        return torch.cat([coarse, pixel_unshuffle(self.fine_codec.encode_groups(groups), COARSE)], dim=1)

    def decode_groups(self, latents: Tensor) -> Tensor:
        return self.fine_codec.decode_groups(pixel_shuffle(latents[:, self.coarse_channels :], COARSE))
