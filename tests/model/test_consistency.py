"""Colours drawn back to the first frame and jumps at seams spread, on clips whose faults are known."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from model.consistency import Frames, consistent, in_sections

SIDE = 64


def clip(sections: int = 4, *, tint: float = 0.0, contrast: float = 0.0) -> list[Frames]:
    """A ramp on which a square walks to and fro; from section to section red rises by ``tint`` levels, and contrast by
    ``contrast``."""
    found, moment = [], 0
    for section in range(sections):
        frames = []
        for _ in range(37 if section == 0 else 36):
            frame = np.empty((SIDE, SIDE, 3))
            frame[:] = np.linspace(60, 160, SIDE)[None, :, None]
            left = 16 + abs(moment % 36 - 18)
            frame[20:30, left : left + 10] = 40
            frame = (frame - 110) * (1 + section * contrast) + 110
            frame[..., 0] += section * tint
            frames.append(frame.round().clip(0, 255).astype(np.uint8))
            moment += 1
        found.append(np.stack(frames))
    return found


def means(sections: list[Frames]) -> np.ndarray:
    return np.stack([frames.mean(axis=(0, 1, 2)) for frames in sections])


def steps(sections: list[Frames]) -> np.ndarray:
    return np.abs(np.diff(np.concatenate(sections).astype(float).mean(axis=(1, 2)), axis=0)).mean(axis=1)


def test_without_boost_the_very_same_frames_pass() -> None:
    given = clip(tint=10)
    assert all(one is other for one, other in zip(consistent(given, 0), given, strict=True))


@pytest.mark.parametrize(("boost", "left"), [(0.5, 0.5), (1.0, 0.0)])
def test_drift_shrinks_by_the_boost(boost: float, left: float) -> None:
    given = clip(tint=12, contrast=0.1)
    made = list(consistent(given, boost))
    assert [len(frames) for frames in made] == [37, 36, 36, 36]
    drift, rest = means(given)[-1] - means(given)[0], means(made)[-1] - means(made)[0]
    assert drift[0] > 30
    assert rest[0] == pytest.approx(left * drift[0], abs=2)
    spread = np.array([frames[..., 1].std(axis=(1, 2)).mean() for frames in (given[0], given[-1], made[-1])])
    assert spread[2] - spread[0] == pytest.approx(left * (spread[1] - spread[0]), abs=1)


def test_first_frame_is_the_anchor_and_stays() -> None:
    given = clip(tint=12, contrast=0.1)
    assert np.array_equal(next(consistent(given, 1.0))[0], given[0][0])


def test_a_new_beginning_takes_the_colours_of_what_follows() -> None:
    given = clip(tint=12, contrast=0.1)
    follows = given[-1][-1]
    made = list(consistent(given, 1.0, then=follows))
    assert np.array_equal(made[-1][-1], follows)
    wanted = follows.mean(axis=(0, 1))
    assert abs(means(given)[0] - wanted)[0] > 30
    assert abs(means(made)[0] - wanted).max() < 2


def test_jumps_at_seams_are_spread_and_make_no_new_ones() -> None:
    given = clip(tint=12)
    before, after = steps(given), steps(list(consistent(given, 1.0)))
    seams = [36, 72, 108]
    assert before[seams].min() > 3
    assert after[seams].max() < 1
    assert after.max() < 1.5
    halfway = steps(list(consistent(given, 0.5)))[seams]
    assert (halfway < 0.6 * before[seams]).all()


def test_a_local_jump_is_evened_out_where_it_is() -> None:
    given = clip(2)
    given[1] = given[1].copy()
    given[1][:, :32, :32] = (given[1][:, :32, :32].astype(int) + 30).clip(0, 255)
    made = list(consistent(given, 1.0))
    corner, opposite = (slice(2, 18), slice(2, 28)), (slice(36, 62), slice(36, 62))
    jump = [abs(s[1][0][corner].astype(float) - s[0][-1][corner]).mean() for s in (given, made)]
    assert jump[1] < 0.4 * jump[0]
    assert abs(made[1][0][opposite].astype(float) - made[0][-1][opposite]).mean() < 4


def test_a_clip_without_faults_is_hardly_touched() -> None:
    given = clip(3)
    made = list(consistent(given, 1.0))
    assert max(np.abs(one.astype(int) - other).mean() for one, other in zip(given, made, strict=True)) < 2


def test_a_scene_that_fades_to_black_is_not_blown_up() -> None:
    given = clip(2)
    given[1] = np.zeros_like(given[1])
    assert list(consistent(given, 1.0))[1][-1].max() <= 64


def test_memory_does_not_grow_with_length() -> None:
    def endless(sections: int) -> Iterator[Frames]:
        for _ in range(sections):
            yield from clip(1)

    def peak(sections: int) -> int:
        tracemalloc.start()
        for _ in consistent(endless(sections), 1.0):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(12) < 1.2 * peak(4)


def test_pieces_are_cut_anew_without_loss() -> None:
    frames = np.arange(109, dtype=np.uint8).reshape(-1, 1, 1, 1)
    cut = list(in_sections([frames[:4], frames[4:37], frames[37:40], frames[40:73], frames[73:]], [37, 36, 36]))
    assert [len(piece) for piece in cut] == [37, 36, 36]
    assert np.array_equal(np.concatenate(cut), frames)
