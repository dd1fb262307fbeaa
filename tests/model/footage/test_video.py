"""Given videos: constant rate, upright pictures, and what is refused."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from farm.errors import InputError
from model.footage import video
from model.footage.video import check_video, read_video, seam_pictures
from tests.support.clips import clip, flat, frame


def brightness(picture: Image.Image) -> float:
    return float(np.median(np.asarray(picture)))


def test_frames_come_as_they_are_at_their_own_rate() -> None:
    found = list(read_video(clip(20), 30))
    assert len(found) == 20 and {picture.size for picture in found} == {(64, 64)}
    assert all(abs(brightness(picture) - np.median(frame(i))) < 8 for i, picture in enumerate(found))


@pytest.mark.parametrize(("rate", "frames"), [(15, 40), (60, 10), (24, 25)])
def test_another_rate_shows_at_each_instant_what_a_player_would(rate: int, frames: int) -> None:
    found = list(read_video(clip(20, fps=rate), 30))
    assert len(found) == frames
    shown = [int(i * rate / 30 + 1e-6) for i in range(frames)]
    assert all(abs(brightness(p) - np.median(frame(i))) < 8 for i, p in zip(shown, found, strict=True))


def test_seam_is_the_last_or_first_pictures_in_time_order() -> None:
    data = clip(20)
    last, first = (seam_pictures(data, 30, 5, last=side) for side in (True, False))
    assert [round(brightness(p) / 8) for p in last] == [15, 16, 17, 18, 19]
    assert [round(brightness(p) / 8) for p in first] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="20 frames at 30 fps; its context needs 21"):
        seam_pictures(data, 30, 21, last=True)


@pytest.mark.parametrize("kind", ["mp4", "mov", "matroska"])
def test_facts_of_each_container(kind: str) -> None:
    facts = check_video(clip(12, width=96, kind=kind), 30)
    assert (facts.width, facts.height, facts.frames) == (96, 64, 12)


def sound() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 44100
        for packet in (*stream.encode(samples), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


def cut_short() -> bytes:
    whole = clip(90, kind="matroska")
    return whole[: len(whole) * 2 // 3]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "can't be read"),
        (b"\0" * 500, "can't be read"),
        (clip(30)[:900], "can't be read"),
        (cut_short(), "cut short|can't be read"),
        (sound(), "no video stream"),
        (clip(3, width=8, height=8), "8x8 pixels"),
    ],
    ids=["empty", "zeros", "truncated mp4", "truncated mkv", "sound", "tiny"],
)
def test_file_that_cannot_be_used_is_refused_in_one_line(data: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        check_video(data, 30)
    assert "\n" not in str(caught.value)


def test_long_video_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MAX_VIDEO_SECONDS", 1)
    assert check_video(clip(30), 30).frames == 30
    with pytest.raises(InputError, match="longer than 1 s"):
        check_video(clip(45), 30)


def test_a_picture_is_no_video_of_any_length() -> None:
    with pytest.raises(InputError):
        seam_pictures(flat("red"), 30, 5, last=True)
