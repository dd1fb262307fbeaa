"""Footage: a job's files as pictures of one size, ready to be encoded. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from farm.errors import InputError

from ..plan.anchors import END_IMAGE, SOURCE_VIDEO, Given, keyframe_name
from ..plan.plan import pixel_frames
from .buckets import Bucket, crop_to_bucket
from .media import Media
from .pictures import open_image
from .video import seam_pictures

BLANKS = {"noise": "random colours", "white": "white", "black": "black", "green": "a green screen"}
"""What a video without a start image starts from; the names are FramePack-Studio's."""
BLANK_SIZE = (480, 832)
"""Height and width that decide the bucket where no picture does."""


@dataclass(frozen=True)
class Footage:
    """Pictures of equal size, that of a bucket.

    ``start`` is the start image; ``anchors`` maps an anchor's name to its pictures in time order: one, or
    1 + 4 * (latent frames - 1).
    """

    start: Image.Image
    anchors: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict)


def open_footage(
    media: Media,
    bucket_of: Callable[[int, int], Bucket],
    *,
    given: Given | None = None,
    fps: int = 30,
    blank: str = "noise",
    seed: int = 0,
) -> Footage:
    """Open a job's files and crop them to the bucket of the start image.

    Without a start image, the frame of the given video next to the seam takes its place; without a video as well, a
    blank picture, in the bucket of the first picture that there is.

    Args:
        media: the files.
        bucket_of: the bucket of a picture by its height and width.
        given: what the files are for.
        fps: at which the given video is read.
        blank: key of ``BLANKS``.
        seed: of the noise in a blank picture.

    Raises:
        InputError: a file can't be used, or there is nothing to start from.
    """
    given = given or Given()
    anchors: dict[str, Sequence[Image.Image]] = {}
    if media.end_image is not None:
        anchors[END_IMAGE] = (open_image(media.end_image, "end image"),)
    for i, data in enumerate(media.keyframes):
        anchors[keyframe_name(i)] = (open_image(data, f"keyframe {i + 1}"),)
    if media.video is not None and given.extend:
        count = pixel_frames(given.context_latents)
        anchors[SOURCE_VIDEO] = seam_pictures(media.video, fps, count, last=given.extend == "end")
    if media.image is not None:
        start = open_image(media.image, "start image")
    elif SOURCE_VIDEO in anchors:
        start = anchors[SOURCE_VIDEO][-1 if given.extend == "end" else 0]
    elif not given.start_image:
        height, width = next(((p[0].height, p[0].width) for p in anchors.values()), BLANK_SIZE)
        start = blank_picture(blank, bucket_of(height, width), seed)
    else:
        raise InputError("there is no start image; give one, or a model that can do without.")
    bucket = bucket_of(start.height, start.width)
    cropped = {name: tuple(crop_to_bucket(p, bucket) for p in pictures) for name, pictures in anchors.items()}
    return Footage(crop_to_bucket(start, bucket), cropped)


def blank_picture(kind: str, bucket: Bucket, seed: int) -> Image.Image:
    """One of ``BLANKS`` in the size of ``bucket``."""
    height, width = bucket
    if kind == "noise":
        noise = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(noise)
    return Image.new("RGB", (width, height), {"white": "white", "black": "black", "green": "#00ff00"}[kind])
