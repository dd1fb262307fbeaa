from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from model.choices import CENTRED, Fit
from model.footage.buckets import UNIT, crop_for, crop_to_bucket, nearest_bucket, scaled_buckets, show_crop

WIDE = [(416, 960), (448, 864), (480, 832), (512, 768), (544, 704), (576, 672), (608, 640)]
REFERENCE = WIDE + [(width, height) for height, width in reversed(WIDE)]


@pytest.mark.parametrize(
    ("size", "bucket"),
    [((1080, 1920), (480, 832)), ((1920, 1080), (832, 480)), ((500, 500), (640, 608)), ((100, 9000), (416, 960))],
)
def test_nearest_bucket_is_that_of_the_reference(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert nearest_bucket(*size, REFERENCE) == bucket


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (150, 150), (64, 64), (33, 1000)])
def test_crop_covers_the_bucket_keeps_the_centre_and_never_stretches(size: tuple[int, int]) -> None:
    width, height = size
    radius = min(size) // 4
    image = Image.new("RGB", size, "white")
    centre = (width // 2, height // 2)
    ImageDraw.Draw(image).ellipse([c - radius for c in centre] + [c + radius for c in centre], fill="black")
    cropped = crop_to_bucket(image, (64, 64))
    dark = np.asarray(cropped.convert("L")) < 128
    rows, columns = np.nonzero(dark)
    assert cropped.size == (64, 64)
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 2
    assert abs(np.ptp(rows) - 32) <= 3
    assert abs(rows.mean() - 31.5) <= 2 and abs(columns.mean() - 31.5) <= 2


@pytest.mark.parametrize("resolution", range(128, 769, 32))
def test_other_resolutions_keep_the_aspect_ratios_in_whole_units(resolution: int) -> None:
    buckets = scaled_buckets(REFERENCE, Fraction(resolution, 640))
    assert len(set(buckets)) == len(buckets) <= len(REFERENCE)
    assert all(side % UNIT == 0 and side >= UNIT for bucket in buckets for side in bucket)
    assert {(width, height) for height, width in buckets} == set(buckets)
    for height, width in REFERENCE:
        ideal = np.array([height, width]) * resolution / 640
        assert min(np.abs(np.array(bucket) - ideal).max() for bucket in buckets) <= UNIT / 2


def test_at_its_own_resolution_nothing_changes() -> None:
    assert scaled_buckets(REFERENCE, Fraction(1)) == tuple(REFERENCE)
    assert scaled_buckets(REFERENCE, Fraction(512, 640))[:2] == ((320, 768), (352, 704))


def test_crop_says_what_is_kept() -> None:
    crop = crop_for(1920, 1080, (480, 832))
    assert crop.box == pytest.approx((24, 0, 1896, 1080))
    assert crop.kept == pytest.approx(0.975)
    assert str(crop) == "832x480 pixels from 1920x1080, 3% of the picture cut off"
    assert str(crop_for(64, 64, (64, 64))) == "64x64 pixels from 64x64, whole picture"


def test_shown_crop_darkens_what_is_cut_off_and_nothing_else() -> None:
    shown = np.asarray(show_crop(Image.new("RGB", (400, 100), (200, 200, 200)), crop_for(400, 100, (64, 64))))
    assert shown.shape == (100, 400, 3)
    assert (shown[:, :150] == 50).all() and (shown[:, 250:] == 50).all()
    assert (shown[5:95, 155:245] == 200).all()


def test_a_crop_keeps_the_side_that_is_asked_for() -> None:
    wide = Image.new("RGB", (200, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    first, last = (crop_to_bucket(wide, (64, 64), Fit("crop", position)) for position in (0, 1))
    assert first.getpixel((60, 5)) == (255, 0, 0) and last.getpixel((3, 60)) == (0, 0, 255)


@pytest.mark.parametrize(("position", "top"), [(0, 0), (0.5, 16), (1, 32)])
def test_padding_shows_the_whole_picture_between_black_bars(position: float, top: int) -> None:
    pixels = np.asarray(crop_to_bucket(Image.new("RGB", (200, 100), (9, 8, 7)), (64, 64), Fit("pad", position)))
    assert (pixels[top : top + 32] == (9, 8, 7)).all() and pixels.sum() == 64 * 32 * 24
    crop = crop_for(200, 100, (64, 64), Fit("pad", position))
    assert str(crop) == "64x64 pixels from 200x100, whole picture between black bars"
    shown = np.asarray(
        show_crop(Image.new("RGB", (100, 50), (9, 8, 7)), crop_for(100, 50, (64, 64), Fit("pad", position)))
    )
    assert shown.shape == (100, 100, 3) and (shown[round(top * 100 / 64) :][:50] == (9, 8, 7)).all()


sides = st.integers(16, 8000)
fits = st.builds(Fit, st.sampled_from(["crop", "pad"]), st.floats(0, 1))


@settings(max_examples=400, deadline=None)
@given(sides, sides, st.sampled_from([128, 256, 320, 416, 512, 544, 640, 768]), fits)
def test_every_picture_size_comes_into_its_bucket(width: int, height: int, resolution: int, fit: Fit) -> None:
    bucket = nearest_bucket(height, width, scaled_buckets(REFERENCE, Fraction(resolution, 640)))
    check(width, height, bucket, fit)


@pytest.mark.parametrize(
    ("size", "resolution"),
    [
        ((1080, 1350), 640), ((1920, 1080), 256), ((1080, 1920), 256), ((1280, 720), 544), ((720, 1280), 544),
        ((4000, 3000), 320), ((1500, 2000), 320), ((640, 480), 416), ((412, 549), 64),
    ],
)  # fmt: skip
def test_sizes_whose_box_left_the_picture_by_a_rounding(size: tuple[int, int], resolution: int) -> None:
    width, height = size
    buckets = [(64, 64)] if resolution == 64 else scaled_buckets(REFERENCE, Fraction(resolution, 640))
    check(width, height, nearest_bucket(height, width, buckets))


def check(width: int, height: int, bucket: tuple[int, int], fit: Fit = CENTRED) -> None:
    """The box lies in the picture, and the very call that a replica makes accepts it; large pictures are only asked."""
    crop = crop_for(width, height, bucket, fit)
    for (left, top, right, bottom), (w, h) in ((crop.box, (width, height)), (crop.place, bucket[::-1])):
        assert 0 <= left < right <= w and 0 <= top < bottom <= h
    if width * height <= 2_000_000:
        assert crop_to_bucket(Image.new("L", (width, height)), bucket, fit).size == (bucket[1], bucket[0])
