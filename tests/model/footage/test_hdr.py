"""HDR videos become BT.709: paper white is near white, hues stay, bright parts keep their drawing."""

import numpy as np
import pytest

from model.footage.hdr import HLG, PQ, cube, shown
from model.footage.video import read_video
from tests.support.shapes import hdr

GREYS = np.linspace(0, 1, 65)
PAPER = {HLG: 0.75, PQ: 0.58}
"""Signal of paper white, 203 cd/m2; BT.2408 table 1."""


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_paper_white_is_near_white(transfer: int) -> None:
    pictures = list(read_video(hdr(PAPER[transfer], transfer), 30))
    assert len(pictures) == 3
    assert all(225 <= np.asarray(picture).mean() <= 250 for picture in pictures)
    assert np.asarray(next(iter(read_video(hdr(0, transfer), 30)))).max() <= 2


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_greys_stay_grey_and_in_order(transfer: int) -> None:
    made = shown(np.repeat(GREYS[:, None], 3, axis=1), transfer)
    assert np.allclose(made, made[:, :1], atol=2e-3)
    steps = np.diff(made[:, 0])
    assert (steps >= 0).all() and (steps[: 40 if transfer == PQ else 60] > 0).all()
    assert made[0].max() < 1e-6 and made[-1].min() > 0.97


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_hues_stay(transfer: int) -> None:
    dim, bright = shown(np.array([[0.45, 0.35, 0.3], [0.8, 0.7, 0.65]]), transfer) ** 2.4
    assert dim[0] > dim[1] > dim[2] and bright[0] > bright[1] > bright[2]
    assert bright.max() < 1


def test_the_table_is_what_ffmpeg_interpolates_in() -> None:
    lines = cube(HLG).splitlines()
    assert lines[0] == "LUT_3D_SIZE 33" and len(lines) == 1 + 33**3
    assert lines[1] == "0.00000 0.00000 0.00000"
    red = [float(value) for value in lines[2].split()]
    assert red[0] > red[1] and red[0] > red[2]
