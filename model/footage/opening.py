"""Opening a job's files: pictures of one size, ready to be encoded. No torch."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from farm.errors import InputError

from ..choices import CENTRED, Fit
from ..plan.anchors import END_IMAGE, SOURCE_VIDEO, START_IMAGE, Given, keyframe_name
from ..plan.rules import pixel_frames
from .buckets import Bucket, crop_to_bucket, nearest_bucket
from .footage import FileFacts, Footage
from .media import Media
from .pictures import facts_of_picture, open_image
from .video import check_video, seam_pictures

BLANKS = {"noise": "random colours", "white": "white", "black": "black", "green": "a green screen"}
"""What a video without a start image starts from; the names are FramePack-Studio's."""
BLANK_SIZE = (480, 832)
"""Height and width that decide the bucket where no picture does."""


def open_footage(
    media: Media,
    buckets: Sequence[Bucket],
    *,
    given: Given | None = None,
    fps: int = 30,
    blank: str = "noise",
    seed: int = 0,
    fit: Fit = CENTRED,
    pieces: tuple[int, int] | None = None,
) -> Footage:
    """Open a job's files and bring them into the bucket of the start image.

    Without a start image, the frame of the given video next to the seam takes its place; without a video as well, a
    blank picture, in the bucket of the first picture that there is.

    Args:
        media: the files.
        buckets: (height, width) in pixels to choose from.
        given: what the files are for.
        fps: at which the given video is read.
        blank: key of ``BLANKS``.
        seed: of the noise in a blank picture.
        fit: how the files come into the bucket.
        pieces: of a family that reads whole pieces of a video's end, the frames of one and how many there are at most;
            then the video's first picture takes the place of the start image.

    Raises:
        InputError: a file can't be used, or there is nothing to start from.
    """
    given = given or Given()
    pictures: dict[str, Image.Image] = {}
    if media.image is not None:
        pictures[START_IMAGE] = open_image(media.image, "start image")
    if media.end_image is not None:
        pictures[END_IMAGE] = open_image(media.end_image, "end image")
    for i, data in enumerate(media.keyframes):
        pictures[keyframe_name(i)] = open_image(data, f"keyframe {i + 1}")
    facts = {name: facts_of_picture(picture) for name, picture in pictures.items()}
    if media.video is not None:
        facts[SOURCE_VIDEO] = facts_of_video(media.video, fps)
    first = facts.get(START_IMAGE) or facts.get(SOURCE_VIDEO)
    if first is None and given.start_image:
        raise InputError("there is no start image; give one, or a model that can do without.")
    deciding = first or next(iter(facts.values()), None)
    height, width = (deciding.height, deciding.width) if deciding else BLANK_SIZE
    bucket = nearest_bucket(height, width, buckets)
    cropped = {name: crop_to_bucket(picture, bucket, fit) for name, picture in pictures.items()}
    start = cropped.pop(START_IMAGE, None)
    anchors: dict[str, Sequence[Image.Image]] = {name: (picture,) for name, picture in cropped.items()}
    if media.video is not None and given.extend:
        last = given.extend == "end"
        count = pixel_frames(given.context_latents) if pieces is None else whole(facts[SOURCE_VIDEO].frames, pieces)
        seam = seam_pictures(media.video, fps, count, last=last, fit=lambda p: crop_to_bucket(p, bucket, fit))
        anchors[SOURCE_VIDEO] = seam
        if pieces is None:
            start = start or seam[-1 if last else 0]
        else:
            start = crop_to_bucket(seam_pictures(media.video, fps, 1, last=False)[0], bucket, fit)
    return Footage(start or blank_picture(blank, bucket, seed), anchors, facts)


def whole(frames: int, pieces: tuple[int, int]) -> int:
    """Frames of the whole pieces in a video of so many: see ``open_footage``.

    Raises:
        InputError: it has none.
    """
    size, most = pieces
    if frames < size:
        raise InputError(f"the video has {frames} frames at the model's rate, which reads {size} at a time; give more.")
    return size * min(most, frames // size)


def facts_of_video(data: bytes, fps: int) -> FileFacts:
    """Of a video, which is read to its end; raises what ``check_video`` does."""
    video = check_video(data, fps)
    return FileFacts(video.width, video.height, frames=video.frames, sound=video.sound)


def blank_picture(kind: str, bucket: Bucket, seed: int) -> Image.Image:
    """One of ``BLANKS`` in the size of ``bucket``."""
    height, width = bucket
    if kind == "noise":
        noise = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(noise)
    return Image.new("RGB", (width, height), {"white": "white", "black": "black", "green": "#00ff00"}[kind])
