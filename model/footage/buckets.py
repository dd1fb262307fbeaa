"""Buckets: picture sizes a family was trained on. A start image is scaled to cover one and cropped, never stretched."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from PIL import Image, ImageDraw

Bucket = tuple[int, int]
"""(height, width) in pixels."""

UNIT = 32
"""Sides are multiples of this many pixels, as in the paper: 4 latent pixels, so that kernel k2 needs no padding."""


def nearest_bucket(height: int, width: int, buckets: Sequence[Bucket]) -> Bucket:
    """The bucket whose aspect ratio is nearest; of equally near ones the last, as in FramePack."""
    return min(reversed(buckets), key=lambda bucket: abs(height * bucket[1] - width * bucket[0]))


def scaled_buckets(buckets: Sequence[Bucket], factor: Fraction) -> tuple[Bucket, ...]:
    """The same aspect ratios at another size, in whole units; ratios that fall together at small sizes are one."""

    def scaled(side: int) -> int:
        return max(1, round(side * factor / UNIT)) * UNIT

    return tuple(dict.fromkeys((scaled(height), scaled(width)) for height, width in buckets))


@dataclass(frozen=True)
class Crop:
    """The part of a picture that a bucket keeps: ``box`` is (left, top, right, bottom) in the picture's pixels."""

    size: tuple[int, int]
    bucket: Bucket
    box: tuple[float, float, float, float]

    @property
    def kept(self) -> float:
        """Share of the picture's area that is kept, 0 to 1."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top) / (self.size[0] * self.size[1])

    def __str__(self) -> str:
        height, width = self.bucket
        lost = f"{1 - self.kept:.0%} of the picture cut off" if self.kept < 0.995 else "whole picture"
        return f"{width}x{height} pixels from {self.size[0]}x{self.size[1]}, {lost}"


def crop_for(width: int, height: int, bucket: Bucket) -> Crop:
    """The centre of a picture of ``width`` x ``height``, as large as the bucket's aspect ratio allows."""
    scale = max(bucket[1] / width, bucket[0] / height)
    box_width, box_height = min(width, bucket[1] / scale), min(height, bucket[0] / scale)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    right, bottom = min(width, left + box_width), min(height, top + box_height)  # sums round, too
    return Crop((width, height), bucket, (left, top, right, bottom))


def crop_to_bucket(image: Image.Image, bucket: Bucket) -> Image.Image:
    """Scale ``image`` to cover ``bucket`` (Lanczos) and cut out its centre."""
    height, width = bucket
    crop = crop_for(image.width, image.height, bucket)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=crop.box)


def show_crop(image: Image.Image, crop: Crop, side: int = 768) -> Image.Image:
    """``image`` with what the crop cuts off darkened and a frame around the rest; at most ``side`` pixels a side."""
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    picture = image.resize(size, Image.Resampling.LANCZOS)
    left, top, right, bottom = (round(edge * scale) for edge in crop.box)
    kept = picture.crop((left, top, right, bottom))
    shown = picture.point(lambda value: value // 4)
    shown.paste(kept, (left, top))
    if crop.kept < 0.995:
        ImageDraw.Draw(shown).rectangle((left, top, right - 1, bottom - 1), outline=(255, 75, 75), width=2)
    return shown
