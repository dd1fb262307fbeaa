import numpy as np
import pytest
from PIL import Image, ImageDraw

from model.buckets import crop_to_bucket, nearest_bucket

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
