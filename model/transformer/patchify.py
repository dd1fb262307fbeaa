"""Patchify parameters for context kernels that the released checkpoints don't have.

Every kernel has parameters of its own, which begin as the base kernel's with each weight spread evenly over the
pixels that take its place: that is average-pooling the latents and then patchifying them with the base kernel
(section 3.2 of arXiv 2504.12626 interpolates the pretrained projection; the official program does the same).

Kernels larger than k8 have none: as in the paper, latents are average-pooled by two along time, rows and columns
until k8's fit, since those of k16 alone would take 805 million weights.
"""

from collections.abc import Iterable
from math import prod

import torch
from torch import nn

from farm.errors import InputError
from model.plan.layout import Kernel, Layout

RELEASED = {Kernel(1, 2, 2): "proj", Kernel(2, 4, 4): "proj_2x", Kernel(4, 8, 8): "proj_4x"}
"""The kernels of diffusers' class, by the name of their projection in ``clean_x_embedder``."""

LARGEST = Kernel(8, 16, 16).volume


def own_kernel(kernel: Kernel) -> tuple[tuple[int, int, int], Kernel]:
    """The pooling before ``kernel``'s projection, and the kernel that the projection belongs to.

    Raises:
        InputError: the kernel can't be used with patches of 2 x 2 latent pixels.
    """
    if kernel.h % 2 or kernel.w % 2 or kernel.h < 2 or kernel.w < 2:
        raise InputError(f"kernel {kernel}: its rows and columns must be even, since patches have 2 x 2 latent pixels.")
    pool = 1
    own = kernel
    while own.volume > LARGEST:
        if own.t % 2 or own.h % 4 or own.w % 4:
            raise InputError(
                f"kernel {kernel}: larger than k8, it must halve to k8's size along time, rows and columns."
            )
        pool, own = pool * 2, Kernel(own.t // 2, own.h // 2, own.w // 2)
    return (pool, pool, pool), own


def extra_kernels(layout: Layout) -> tuple[str, ...]:
    """Names of the kernels that ``layout`` needs beyond the released ones, smallest first.

    Raises:
        InputError: one of its kernels can't be used.
    """
    needed = {own_kernel(group.kernel)[1] for group in layout.left + layout.right} - set(RELEASED)
    return tuple(str(kernel) for kernel in sorted(needed, key=lambda k: (k.volume, k.t, k.h)))


def make_projections(names: Iterable[str], base: nn.Conv3d) -> dict[str, nn.Conv3d]:
    """A projection for each kernel of ``names``, on the device and in the dtype of ``base``, initialised from it."""
    projections = {}
    for name in names:
        kernel = Kernel.parse(name)
        size = (kernel.t, kernel.h, kernel.w)
        weight = base.weight
        projection = nn.Conv3d(
            base.in_channels, base.out_channels, size, stride=size, device=weight.device, dtype=weight.dtype
        )
        if weight.device.type != "meta":
            initialise(projection, base)
        projections[name] = projection.requires_grad_(weight.requires_grad)
    return projections


def begin_released(base: nn.Conv3d) -> nn.Module:
    """Diffusers' module with projections for the released kernels, each initialised from ``base``."""
    from diffusers.models.transformers.transformer_hunyuan_video_framepack import HunyuanVideoHistoryPatchEmbed

    weight = base.weight
    with torch.device(weight.device):
        embedder: nn.Module = HunyuanVideoHistoryPatchEmbed(base.in_channels, base.out_channels).to(weight.dtype)
    if weight.device.type != "meta":
        for name in RELEASED.values():
            initialise(getattr(embedder, name), base)
    return embedder.requires_grad_(weight.requires_grad)


@torch.no_grad()
def initialise(projection: nn.Conv3d, base: nn.Conv3d) -> None:
    """Make ``projection`` equal to average-pooling and then ``base``.

    Raises:
        InputError: its kernel is no multiple of the base kernel.
    """
    sizes = list(zip(projection.kernel_size, base.kernel_size, strict=True))
    if any(size % unit for size, unit in sizes):
        raise InputError(f"kernel {projection.kernel_size} is no multiple of {base.kernel_size}.")
    factors = [size // unit for size, unit in sizes]
    weight = base.weight.float() / prod(factors)
    for axis, factor in enumerate(factors, start=2):
        weight = weight.repeat_interleave(factor, dim=axis)
    projection.weight.copy_(weight)
    if projection.bias is not None and base.bias is not None:
        projection.bias.copy_(base.bias)


def average_pool(volume: torch.Tensor, factor: tuple[int, int, int]) -> torch.Tensor:
    """Average [batch, channels, frames, rows, columns] over blocks of ``factor``, padded by replication."""
    if factor == (1, 1, 1):
        return volume
    return nn.functional.avg_pool3d(pad_to(volume, factor), factor, stride=factor)


def pad_to(volume: torch.Tensor, multiple: tuple[int, int, int]) -> torch.Tensor:
    """Replicate the last frame, row and column of [batch, channels, frames, rows, columns] up to whole multiples."""
    frames, rows, columns = (-size % unit for size, unit in zip(volume.shape[2:], multiple, strict=True))
    if not (frames or rows or columns):
        return volume
    return nn.functional.pad(volume, (0, columns, 0, rows, 0, frames), mode="replicate")
