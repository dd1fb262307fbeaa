"""Buckets: picture sizes a family was trained on. A start image is scaled to cover one and cropped, or to fit into one
between bars; never stretched."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from PIL import Image, ImageDraw

from ..choices import CENTRED, Fit

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
    """The part of a picture that a bucket keeps: ``box`` is (left, top, right, bottom) in the picture's pixels,
    ``place`` where it comes to lie in those of the bucket; all around it is black."""

    size: tuple[int, int]
    bucket: Bucket
    box: tuple[float, float, float, float]
    place: tuple[int, int, int, int]

    @property
    def kept(self) -> float:
        """Share of the picture's area that is kept, 0 to 1."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top) / (self.size[0] * self.size[1])

    @property
    def barred(self) -> bool:
        """Whether there are bars around it."""
        return self.place != (0, 0, self.bucket[1], self.bucket[0])

    def __str__(self) -> str:
        height, width = self.bucket
        lost = f"{1 - self.kept:.0%} of the picture cut off" if self.kept < 0.995 else "whole picture"
        lost += " between black bars" if self.barred else ""
        return f"{width}x{height} pixels from {self.size[0]}x{self.size[1]}, {lost}"


def crop_for(width: int, height: int, bucket: Bucket, fit: Fit = CENTRED) -> Crop:
    """What becomes of a picture of ``width`` x ``height``: of one that is cropped, as much is kept as the bucket's
    aspect ratio allows."""
    if fit.kind == "pad":
        scale = min(bucket[1] / width, bucket[0] / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        x, y = round((bucket[1] - inner[0]) * fit.position), round((bucket[0] - inner[1]) * fit.position)
        return Crop((width, height), bucket, (0, 0, width, height), (x, y, x + inner[0], y + inner[1]))
    scale = max(bucket[1] / width, bucket[0] / height)
    box_width, box_height = min(width, bucket[1] / scale), min(height, bucket[0] / scale)
    left, top = (width - box_width) * fit.position, (height - box_height) * fit.position
    right, bottom = min(width, left + box_width), min(height, top + box_height)  # sums round, too
    return Crop((width, height), bucket, (left, top, right, bottom), (0, 0, bucket[1], bucket[0]))


def crop_to_bucket(image: Image.Image, bucket: Bucket, fit: Fit = CENTRED) -> Image.Image:
    """Scale what is kept of ``image`` to its place in ``bucket`` (Lanczos)."""
    crop = crop_for(image.width, image.height, bucket, fit)
    left, top, right, bottom = crop.place
    scaled = image.resize((right - left, bottom - top), Image.Resampling.LANCZOS, box=crop.box)
    if not crop.barred:
        return scaled
    whole = Image.new(image.mode, (bucket[1], bucket[0]))
    whole.paste(scaled, (left, top))
    return whole


def show_crop(image: Image.Image, crop: Crop, side: int = 768) -> Image.Image:
    """``image`` with what the crop cuts off darkened and a frame around the rest, or with its bars; at most ``side``
    pixels a side."""
    if crop.barred:
        left, top, right, _ = crop.place
        zoom = image.width / (right - left)
        whole = Image.new(image.mode, (round(crop.bucket[1] * zoom), round(crop.bucket[0] * zoom)))
        whole.paste(image, (round(left * zoom), round(top * zoom)))
        whole.thumbnail((side, side), Image.Resampling.LANCZOS)
        return whole
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
