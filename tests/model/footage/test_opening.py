"""Footage: one bucket for all pictures, and what stands in for a missing start image."""

import io

import numpy as np
import pytest
from PIL import Image

from farm.errors import InputError
from model.footage.media import Media
from model.footage.opening import BLANKS, blank_picture, open_footage
from model.plan import Given
from tests.support.clips import clip, flat

BUCKETS = ((64, 128), (64, 64), (128, 64))


def colour(picture: Image.Image) -> tuple[int, ...]:
    return tuple(picture.getpixel((picture.width // 2, picture.height // 2)))


def test_every_picture_is_cropped_to_the_start_images_bucket() -> None:
    media = Media(flat("red", 200, 100), flat("blue", 50, 300), (flat("white"),))
    footage = open_footage(media, BUCKETS)
    pictures = [footage.start, *(p for pictures in footage.anchors.values() for p in pictures)]
    assert {picture.size for picture in pictures} == {(128, 64)}
    assert list(footage.anchors) == ["end_image", "keyframe-1"]
    assert [colour(picture) for picture in pictures] == [(255, 0, 0), (0, 0, 255), (255, 255, 255)]


@pytest.mark.parametrize(("extend", "start"), [("end", 23), ("start", 0)])
def test_the_frame_at_the_seam_takes_the_start_images_place(extend, start: int) -> None:
    given = Given(extend=extend, context_latents=3)
    footage = open_footage(Media(video=clip(24, width=128)), BUCKETS, given=given)
    seam = footage.anchors["source_video"]
    assert len(seam) == 9 and footage.start.size == (128, 64)
    assert abs(float(np.median(np.asarray(footage.start))) - start * 8) < 8
    assert np.array_equal(footage.start, seam[-1 if extend == "end" else 0])


def test_a_start_image_before_a_given_video_is_kept() -> None:
    footage = open_footage(Media(flat("red"), video=clip(24)), BUCKETS, given=Given(extend="start"))
    assert colour(footage.start) == (255, 0, 0)


@pytest.mark.parametrize("kind", BLANKS)
def test_without_any_picture_the_video_starts_from_a_blank_one(kind: str) -> None:
    footage = open_footage(Media(), BUCKETS, given=Given(start_image=False), blank=kind, seed=3)
    assert footage.start.size == (128, 64)
    expected = {"white": (255, 255, 255), "black": (0, 0, 0), "green": (0, 255, 0)}
    assert kind == "noise" or colour(footage.start) == expected[kind]


def test_noise_follows_the_seed() -> None:
    one, same, other = (np.asarray(blank_picture("noise", (64, 64), seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_bucket_without_start_image_is_the_end_images() -> None:
    footage = open_footage(Media(end_image=flat("red", 64, 200)), BUCKETS, given=Given(start_image=False))
    assert footage.start.size == (64, 128)


def test_damaged_picture_is_named() -> None:
    damaged = io.BytesIO(flat("red")).read(50)
    with pytest.raises(InputError, match="keyframe 1: "):
        open_footage(Media(flat("red"), keyframes=(damaged,)), BUCKETS)
    with pytest.raises(InputError, match="no start image"):
        open_footage(Media(), BUCKETS)
