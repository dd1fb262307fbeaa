"""Geometry of given videos: shown as players show them."""

import shutil
import subprocess
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from model.footage.upright import turn_of
from model.footage.video import check_video, read_video
from tests.support.shapes import ONE, corner, laid, stored

FFMPEG = shutil.which("ffmpeg")
WAYS = [(a, 0, 0, d) for a, d in product((1, -1), repeat=2)] + [(0, b, c, 0) for b, c in product((1, -1), repeat=2)]


def first(video: bytes) -> np.ndarray:
    return np.asarray(next(iter(read_video(video, 30))))


def place(picture: np.ndarray, colour: int) -> tuple[int, int]:
    """Row and column, 0 or 1 for each half, of where ``colour`` (0 red, 1 green) is."""
    rows, columns = np.nonzero(picture[..., colour] > 128)
    return round(rows.mean() / picture.shape[0]), round(columns.mean() / picture.shape[1])


@pytest.mark.parametrize(
    ("way", "shape", "red"),
    [
        ((1, 0, 0, 1), (64, 96), (0, 0)),
        ((-1, 0, 0, 1), (64, 96), (0, 1)),
        ((1, 0, 0, -1), (64, 96), (1, 0)),
        ((-1, 0, 0, -1), (64, 96), (1, 1)),
        ((0, 1, 1, 0), (96, 64), (0, 0)),
        ((0, 1, -1, 0), (96, 64), (0, 1)),
        ((0, -1, 1, 0), (96, 64), (1, 0)),
        ((0, -1, -1, 0), (96, 64), (1, 1)),
    ],
)
def test_each_way_to_lay_a_picture(
    way: tuple[int, int, int, int], shape: tuple[int, int], red: tuple[int, int]
) -> None:
    picture = first(laid(stored(corner()), *way))
    assert picture.shape == (*shape, 3)
    assert place(picture, 0) == red


@pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg to compare with (apt-get install ffmpeg)")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sar", [None, Fraction(2), Fraction(1, 2)], ids=["square", "wide", "high"])
def test_a_player_shows_the_same(way: tuple[int, int, int, int], sar: Fraction | None, tmp_path: Path) -> None:
    """Players turn by the display matrix as ffmpeg does, and stretch by the aspect ratio."""
    video = laid(stored(corner(), sar=sar), *way)
    (tmp_path / "in.mp4").write_bytes(video)
    stretch = "scale=trunc(iw*max(sar\\,1)):trunc(ih/min(sar\\,1)),setsar=1,format=rgb24"
    command = [FFMPEG, "-v", "error", "-i", tmp_path / "in.mp4", "-frames:v", "1", "-vf", stretch, tmp_path / "out.ppm"]
    subprocess.run([str(part) for part in command], check=True)
    from PIL import Image

    shown, ours = np.asarray(Image.open(tmp_path / "out.ppm")), first(video)
    assert ours.shape == shown.shape
    assert np.abs(ours.astype(int) - shown.astype(int)).mean() < 4


def test_wide_pixels_become_square_and_count_towards_the_size() -> None:
    facts = check_video(stored(corner(), sar=Fraction(2)), 30)
    assert (facts.width, facts.height) == (192, 64)
    assert first(stored(corner(), sar=Fraction(1, 2))).shape == (128, 96, 3)


def test_nonsense_about_pixels_is_ignored() -> None:
    assert first(stored(corner(), sar=Fraction(1, 1000))).shape == (64, 96, 3)


def test_a_slight_turn_is_none() -> None:
    assert turn_of([round(0.99 * ONE), round(0.1 * ONE), 0, round(-0.1 * ONE), round(0.99 * ONE), 0, 0, 0, 1]) is None
