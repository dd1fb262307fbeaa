"""Given videos: constant rate, upright pictures, and what is refused."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from farm.errors import InputError
from model.footage import video
from model.footage.video import check_video, read_video, seam_pictures
from tests.support.clips import clip, flat, frame, talking


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


def animation(kind: str, frames: int = 10) -> bytes:
    pictures = [Image.new("RGB", (64, 48), (20 * index, 0, 0)) for index in range(frames)]
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], duration=100, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "AVIF", "PNG"])
def test_animations_are_videos(kind: str) -> None:
    data = animation(kind)
    facts = check_video(data, 10)
    assert (facts.width, facts.height) == (64, 48) and 9 <= facts.frames <= 11
    reds = [picture.getpixel((9, 9))[0] for picture in read_video(data, 10)]
    assert all(abs(red - 20 * index) <= 6 for index, red in enumerate(reds[:9]))


@pytest.mark.parametrize(
    "data",
    [
        b"ffconcat version 1.0\nfile 'secret.mp4'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
        b"DKIF" + b"\0" * 100,
    ],
    ids=["ffconcat", "sdp", "hls", "dash", "ivf"],
)
def test_files_that_lead_elsewhere_are_no_videos(data: bytes, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.mp4").write_bytes(clip(10))
    with pytest.raises(InputError, match="can't be read"):
        check_video(data, 30)


def test_a_codec_that_is_not_listed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "CODECS", tuple(name for name in video.CODECS if name != "h264"))
    with pytest.raises(InputError, match=r"'h264'|can't be read"):
        check_video(clip(5), 30)


def test_bounds_are_on_every_frame_and_on_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MAX_DECODED_PIXELS", 64 * 64 * 10)
    assert check_video(clip(10), 30).frames == 10
    with pytest.raises(InputError, match="too many frames"):
        check_video(clip(11), 30)
    monkeypatch.setattr(video, "MAX_VIDEO_PIXELS", 64 * 63)
    with pytest.raises(InputError, match="64x64 pixels"):
        check_video(clip(2), 30)


def test_pictures_that_are_skipped_are_the_same_without_them() -> None:
    data = clip(20, fps=24)
    whole, rest = list(read_video(data, 30)), list(read_video(data, 30, skip=7))
    assert [np.asarray(p).tobytes() for p in whole[7:]] == [np.asarray(p).tobytes() for p in rest]


def test_sound_is_noticed() -> None:
    assert not check_video(clip(5), 30).sound
    assert check_video(talking(), 30).sound
