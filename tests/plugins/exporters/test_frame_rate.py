"""Frame rates on export: exact counts, unchanged length, and what each method shows."""

from collections.abc import Iterator

import numpy as np
import pytest

from plugins.exporters.base import Frame
from plugins.exporters.frame_rate import at_rate, frame_count


def numbered(count: int) -> Iterator[Frame]:
    """Frames whose first pixel is their number; a square of 16 pixels walks 4 pixels a frame."""
    for index in range(count):
        frame = np.full((48, 96, 3), 40, np.uint8)
        left = 4 * index % 72
        frame[16:32, left : left + 16] = 220
        frame[0, 0] = index
        yield frame


@pytest.mark.parametrize("method", ["repeat", "motion"])
@pytest.mark.parametrize("count", [1, 2, 37, 73])
@pytest.mark.parametrize("rate", [12, 24, 25, 30, 60])
def test_number_of_frames_is_exact_and_the_length_stays(count: int, rate: int, method: str) -> None:
    made = sum(1 for _ in at_rate(numbered(count), count, 30, rate, method))
    assert made == frame_count(count, 30, rate)
    assert count == 1 or abs(made / rate - count / 30) <= 0.5 / rate


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(60, [0, 0, 1, 1, 2, 2, 3]), (15, [0, 2, 4, 6, 8, 10, 12]), (24, [0, 1, 2, 3, 5, 6, 7])],
)
def test_repeating_shows_what_is_on_screen_at_each_moment(rate: int, shown: list[int]) -> None:
    assert [int(frame[0, 0, 0]) for frame in at_rate(numbered(40), 40, 30, rate)][:7] == shown


def test_the_same_rate_passes_frames_through() -> None:
    frames = numbered(3)
    assert at_rate(frames, 3, 30, 30, "motion") is frames


def test_motion_puts_things_where_they_would_be_between_two_frames() -> None:
    def centre(frame: Frame) -> float:
        return float(np.nonzero(frame[24, :, 0] > 130)[0].mean())

    made = [centre(frame) for frame in at_rate(numbered(12), 12, 30, 60, "motion")]
    held = [centre(frame) for frame in at_rate(numbered(12), 12, 30, 60)]
    steps, jumps = np.diff(made[4:16]), np.diff(held[4:16])
    assert np.abs(steps - 2).max() < 1
    assert set(np.round(jumps)) == {0, 4}


@pytest.mark.parametrize("method", ["repeat", "motion"])
def test_takes_every_frame_and_no_more_than_it_needs_at_a_time(method: str) -> None:
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in numbered(100):
            taken += 1
            yield frame

    made = at_rate(counted(), 100, 30, 24, method)
    for _ in range(8):
        next(made)
    assert taken < 30
    for _ in made:
        pass
    assert taken == 100
