"""Any video file can be measured."""

import pytest

from farm.errors import InputError
from model.quality.calibration import true_clip
from model.quality.faults import plant
from model.quality.files import measured_file
from model.quality.judging import findings, values_of
from tests.support.clips import encoded


def test_faults_of_a_file_are_found() -> None:
    clip = plant("freeze", true_clip(7), 4, [])
    pieces = list(measured_file(encoded([frame.numpy() for piece in clip for frame in piece]), 1.2))
    found = [(each.piece, each.kind) for each in findings(values_of(pieces))]
    assert len(pieces) == 8 and found == [(4, "freeze"), (5, "seam")]  # it goes on with a jump


def test_what_is_no_video_is_refused() -> None:
    with pytest.raises(InputError):
        list(measured_file(b"GIF89a nothing", 1.2))
