"""Buckets: picture sizes a family was trained on. A start image is scaled to cover one and cropped, never stretched."""

from collections.abc import Sequence

from PIL import Image

Bucket = tuple[int, int]
"""(height, width) in pixels."""


def nearest_bucket(height: int, width: int, buckets: Sequence[Bucket]) -> Bucket:
    """The bucket whose aspect ratio is nearest; of equally near ones the last, as in FramePack."""
    return min(reversed(buckets), key=lambda bucket: abs(height * bucket[1] - width * bucket[0]))


def crop_to_bucket(image: Image.Image, bucket: Bucket) -> Image.Image:
    """Scale ``image`` to cover ``bucket`` (Lanczos) and cut out its centre."""
    height, width = bucket
    scale = max(width / image.width, height / image.height)
    box_width, box_height = width / scale, height / scale
    left, top = (image.width - box_width) / 2, (image.height - box_height) / 2
    box = (left, top, left + box_width, top + box_height)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)
