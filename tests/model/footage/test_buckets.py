from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageDraw

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
