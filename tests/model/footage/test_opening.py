"""Footage: one bucket for all pictures, and what stands in for a missing start image."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from farm.errors import InputError
from model.choices import Fit
from model.footage.media import Media
from model.footage.opening import BLANKS, blank_picture, open_footage
from model.plan import Given
from tests.support.clips import clip, flat

DANCER = (Path(__file__).parents[3] / "examples" / "dancer.png").read_bytes()
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


def test_all_pictures_and_the_seam_come_in_as_the_fit_says() -> None:
    media = Media(end_image=flat("blue", 64, 256), video=clip(24, width=128))
    given = Given(extend="end", context_latents=1, end_strength=1.0)
    footage = open_footage(media, ((64, 64),), given=given, fit=Fit("pad", 0))
    pictures = [footage.start, *(p for pictures in footage.anchors.values() for p in pictures)]
    bars = [tuple((np.asarray(picture).max(axis=(2, axis)) < 8).sum() for axis in (0, 1)) for picture in pictures]
    assert bars == [(0, 32), (48, 0), (0, 32)]


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


def test_drawings_on_plain_ground_are_told_from_photographs() -> None:
    noise = blank_picture("noise", (64, 64), 1)
    photograph = io.BytesIO()
    noise.resize((16, 16)).resize((300, 200), Image.Resampling.BICUBIC).save(photograph, "JPEG")
    grounds = [open_footage(Media(data), BUCKETS).facts["image"].ground for data in (DANCER, photograph.getvalue())]
    assert grounds[0] > 0.6 and grounds[1] < 0.1


def test_bucket_without_start_image_is_the_end_images() -> None:
    footage = open_footage(Media(end_image=flat("red", 64, 200)), BUCKETS, given=Given(start_image=False))
    assert footage.start.size == (64, 128)


def test_damaged_picture_is_named() -> None:
    damaged = io.BytesIO(flat("red")).read(50)
    with pytest.raises(InputError, match="keyframe 1: "):
        open_footage(Media(flat("red"), keyframes=(damaged,)), BUCKETS)
    with pytest.raises(InputError, match="no start image"):
        open_footage(Media(), BUCKETS)
