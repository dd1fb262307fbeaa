"""Clips of decoded sections: each encoded once, joined without decoding, never part of a result."""

from pathlib import Path

import av
import numpy as np
import pytest

from farm.errors import StorageError
from farm.work import clips
from farm.work.clips import clip_of, join_clips, thumbnail_of
from farm.work.executor import TaskExecutor
from farm.work.reference import render_in_process

from .conftest import Farm
from .test_executor import begin, render_until


def pictures(level: int, count: int = 6, height: int = 64, width: int = 96) -> np.ndarray:
    """A grey that is told from others after coding, with a little to move."""
    made = np.full((count, height, width, 3), level, np.uint8)
    for number in range(count):
        made[number, :8, number * 8 : number * 8 + 8] = 255 - level
    return made


def levels(path: Path) -> list[int]:
    """The grey of each frame as it is shown."""
    with av.open(str(path)) as file:
        return [round(int(frame.to_ndarray(format="rgb24")[40:, :, 0].mean()), -1) for frame in file.decode(video=0)]


@pytest.fixture
def written(tmp_path: Path) -> list[Path]:
    found = []
    for number, level in enumerate((30, 120, 200)):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(clip_of(pictures(level, 6 + number), 30))
        found.append(path)
    return found


def test_clips_are_joined_in_their_order_at_the_right_times(written: list[Path], tmp_path: Path):
    target = tmp_path / "joined.mp4"
    assert join_clips(written, target) == [0, 1, 2]
    assert levels(target) == [30] * 6 + [120] * 7 + [200] * 8
    with av.open(str(target)) as file:
        times = [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]
    assert times == pytest.approx([number / 30 for number in range(21)])


def test_what_is_missing_damaged_or_of_another_size_is_left_out(written: list[Path], tmp_path: Path):
    target = tmp_path / "joined.mp4"
    written[1].write_bytes(b"no clip")
    (tmp_path / "large.mp4").write_bytes(clip_of(pictures(90, height=128), 30))
    assert join_clips([written[1], written[0], tmp_path / "large.mp4", written[2]], target) == [1, 3]
    assert levels(target) == [30] * 6 + [200] * 8
    with pytest.raises(StorageError, match="none of the finished sections can be played"):
        join_clips([written[1]], target)


def test_equal_pictures_make_an_equal_clip():
    assert clip_of(pictures(50), 30) == clip_of(pictures(50), 30)


def test_thumbnail_is_small():
    picture = np.zeros((640, 480, 3), np.uint8)
    assert thumbnail_of(picture)[:2] == b"\xff\xd8" and len(thumbnail_of(picture)) < 5000


def test_clips_play_exactly_the_frames_of_the_video(alone: Farm, tmp_path: Path):
    job = alone.job(total_second_length=4, steps=1, exact_length=True)
    render_until(alone, job, "export")
    files = alone.store.artifacts(job.id)
    names = sorted(name for name in files if name.startswith("clip"))
    assert (
        len(names) == len([name for name in files if name.startswith("thumbnail")]) == len(files_of(files, "latents"))
    )
    join_clips([alone.artifacts.path(files[name].key) for name in names], tmp_path / "all.mp4")
    assert len(levels(tmp_path / "all.mp4")) == 120
    done = render_in_process(alone.store, alone.artifacts, job.id)
    with av.open(str(alone.artifacts.path(alone.store.artifacts(done.id)["video"].key))) as video:
        assert len(list(video.decode(video=0))) == 120


def test_a_clip_that_cannot_be_made_is_no_fault_of_the_decodings(alone: Farm, monkeypatch: pytest.MonkeyPatch, caplog):
    def burst(*arguments: object) -> bytes:
        raise RuntimeError("no encoder")

    monkeypatch.setattr(clips, "clip_of", burst)
    job = alone.job(total_second_length=2.4, steps=1)
    render_until(alone, job, "decode-000")
    made = TaskExecutor(alone.artifacts).run(begin(alone, job, "decode-000"))
    assert [file.name for file in made] == ["frames-000"]
    assert "no clip of section 0: RuntimeError: no encoder" in caplog.text


def files_of(files: dict, kind: str) -> list[str]:
    return [name for name in files if name.startswith(kind)]
