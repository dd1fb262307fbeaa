"""The codec of larger puppets: 16x16 in space, 4x in time. Its first channels are those of a codec for half the size.

The rest tells what that one's picture lacks. So a transformer that knows the small puppet knows the coarse half of the
large one, too, and needs no more tokens for it.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle

from .codec import TIME, AutoencoderPuppet, GroupCodec, ResidualBlock

COARSE = 2
"""The base codec sees pictures of half the height and width."""
PATCH = 4
"""The finest convolutions work at a 4th of the height."""


class LayeredAutoencoderPuppet(GroupCodec, ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Codec with the interface of diffusers' video autoencoders.

    Args:
        base: the config of the ``AutoencoderPuppet`` for half the size.
        detail_channels: channels of a latent beside the base's.
        widths: channels of the convolutions at a 16th, an 8th and a 4th of the height.
        encoder_blocks, decoder_blocks: residual blocks at each of them.
        scaling_factor: multiplies raw latents, so that they have about unit variance; the base's own.
        settled: the encoder has learnt, see ``settle``; before, details are normalised batch by batch.
    """

    space = COARSE * AutoencoderPuppet.space

    @register_to_config
    def __init__(
        self,
        base: Mapping[str, Any],
        detail_channels: int = 32,
        widths: tuple[int, int, int] = (256, 160, 96),
        encoder_blocks: tuple[int, int, int] = (2, 1, 1),
        decoder_blocks: tuple[int, int, int] = (3, 2, 3),
        scaling_factor: float = 1.0,
        settled: bool = False,
    ) -> None:
        super().__init__()
        self.coarse = AutoencoderPuppet(**base)
        deep, middle, fine = widths
        seen, shown = 3 * TIME * PATCH**2, 3 * TIME * (PATCH // COARSE) ** 2
        self.encode_in = nn.ModuleList(
            [nn.Conv2d(seen + shown, fine, 1), nn.Conv2d(4 * fine, middle, 1), nn.Conv2d(4 * middle, deep, 1)]
        )
        self.encode_blocks = nn.ModuleList(
            [_blocks(count, width) for count, width in zip(reversed(encoder_blocks), (fine, middle, deep), strict=True)]
        )
        self.encode_out = nn.Conv2d(deep, detail_channels, 1)
        self.detail_norm = nn.Identity() if settled else nn.BatchNorm2d(detail_channels, affine=False)
        self.decode_in = nn.ModuleList(
            [
                nn.Conv2d(self.coarse.config.latent_channels + detail_channels, deep, 3, padding=1),
                nn.Conv2d(deep, 4 * middle, 1),
                nn.Conv2d(middle, 4 * fine, 1),
            ]
        )
        self.decode_blocks = nn.ModuleList(
            [_blocks(count, width) for count, width in zip(decoder_blocks, widths, strict=True)]
        )
        self.decode_shown = nn.Conv2d(shown, fine, 1)
        self.decode_out = nn.Conv2d(fine, seen, 3, padding=1)
        nn.init.zeros_(self.decode_out.weight)

    @torch.no_grad()
    def settle(self, groups: Tensor) -> None:
        """The encoder has learnt: what normalised its details becomes part of its last layer."""
        norm = self.detail_norm
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None:
            scale = (norm.running_var + norm.eps).rsqrt()
            self.encode_out.weight *= scale[:, None, None, None]
            assert self.encode_out.bias is not None
            self.encode_out.bias.sub_(norm.running_mean).mul_(scale)
            self.detail_norm = nn.Identity()
            self.register_to_config(settled=True)

    def encode_groups(self, groups: Tensor) -> Tensor:
        coarse = self.coarse.encode_groups(avg_pool2d(groups.flatten(1, 2), COARSE).unflatten(1, (3, TIME)))
        x = torch.cat([pixel_unshuffle(groups.flatten(1, 2), PATCH), self._shown(coarse)[1]], dim=1)
        for number, (enter, blocks) in enumerate(zip(self.encode_in, self.encode_blocks, strict=True)):
            x = blocks(enter(pixel_unshuffle(x, 2) if number else x))
        details = self.detail_norm(self.encode_out(x)) / self.config.scaling_factor
        return torch.cat([coarse, details], dim=1)

    def decode_groups(self, latents: Tensor) -> Tensor:
        picture, shown = self._shown(latents[:, : self.coarse.config.latent_channels])
        x = latents * self.config.scaling_factor
        for number, (enter, blocks) in enumerate(zip(self.decode_in, self.decode_blocks, strict=True)):
            x = pixel_shuffle(enter(x), 2) if number else enter(x)
            if enter is self.decode_in[-1]:
                x = x + self.decode_shown(shown)
            x = blocks(x)
        whole = interpolate(picture, scale_factor=COARSE, mode="bilinear") + pixel_shuffle(self.decode_out(x), PATCH)
        return whole.unflatten(1, (3, TIME))

    def _shown(self, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """What the base makes of its latents, [n, 12, h / 2, w / 2], and the same in patches."""
        picture = self.coarse.decode_groups(coarse).flatten(1, 2)
        return picture, pixel_unshuffle(picture, PATCH // COARSE)


def _blocks(count: int, width: int) -> nn.Sequential:
    return nn.Sequential(*[ResidualBlock(width) for _ in range(count)])
