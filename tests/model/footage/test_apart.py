"""Files are decoded in a child: what they do to it reaches nobody else."""

import io
import os
import signal
import threading
import time
from functools import cache

import av
import numpy as np
import psutil
import pytest
from PIL import Image

from farm.errors import InputError, ProcessLostError
from farm.processes import OWNER
from model.footage import apart
from model.footage.apart import frames_apart, open_apart, open_image_apart
from model.footage.limits import MAX_VIDEO_PIXELS
from model.footage.media import Media
from model.footage.opening import open_footage
from model.plan import Given
from tests.support.clips import clip, flat, talking

BUCKETS = ((64, 128), (64, 64), (128, 64))


def png(mode: str, width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG", compress_level=9)
    return file.getvalue()


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "model.footage.worker" in child.cmdline()]


def test_a_child_gives_the_very_pictures_that_this_process_would() -> None:
    media = Media(end_image=flat("blue", 50, 300), keyframes=(flat("white"),), video=clip(24))
    given = Given(end_strength=1.0, keyframes=(1.2,), extend="end", context_latents=3)
    ours, theirs = open_footage(media, BUCKETS, given=given), open_apart(media, BUCKETS, given=given, fps=30)
    assert np.array_equal(ours.start, theirs.start) and ours.facts == theirs.facts
    assert {name: [p.tobytes() for p in ps] for name, ps in ours.anchors.items()} == {
        name: [p.tobytes() for p in ps] for name, ps in theirs.anchors.items()
    }
    assert not children()


def test_a_picture_comes_small_with_its_own_size() -> None:
    facts, image = open_image_apart(flat("red", 800, 400), side=100)
    assert (facts.width, facts.height, facts.format) == (800, 400, "PNG") and image.size == (100, 50)


def test_a_videos_frames_are_streamed() -> None:
    with frames_apart(talking(24), 15, (64, 64)) as (facts, frames):
        assert (facts.frames, facts.sound) == (12, True)
        assert [frame.shape for frame in frames] == [(64, 64, 3)] * 12
    with frames_apart(clip(60), 30, (64, 64)) as (_, frames):
        next(frames)
    assert not children()


@pytest.mark.parametrize(
    ("media", "message"),
    [
        (Media(b"no picture"), "start image: the file is not an image"),
        (Media(png("RGB", 9000, 6000)), "9000x6000 pixels; at most 50 megapixels"),
        (Media(video=b"no video"), "the video can't be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_here(media: Media, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_apart(media, BUCKETS, given=Given(), fps=30)


def test_the_largest_pictures_fit_the_memory_that_a_child_may_take() -> None:
    """48 megapixels with transparency, 0.2 MB as a file: they took 950 MB of the door's own memory once."""
    facts, image = open_image_apart(png("RGBA", 8000, 6000), side=32)
    assert facts.width * facts.height == 48_000_000 and image.size == (32, 24)


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MEMORY", 400 * 2**20)
    before = psutil.Process().memory_info().rss
    with pytest.raises(InputError, match=r"memory to decode|breaks its decoder|can't be decoded"):
        open_image_apart(png("RGBA", 8000, 6000))
    assert psutil.Process().memory_info().rss - before < 50e6
    open_image_apart(flat("red"))


@cache
def slow() -> bytes:
    """A video that takes seconds to decode."""
    return clip(2400, width=320, height=320)


def growing() -> bytes:
    """An MPEG transport stream whose frames grow from 64x64 to more than a video may have."""
    file = io.BytesIO()
    side = int(MAX_VIDEO_PIXELS**0.5) // 16 * 16 + 32
    for width in (64, side):
        with av.open(part := io.BytesIO(), "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "50"})
            stream.width, stream.height, stream.pix_fmt = width, width, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((width, width, 3), np.uint8), format="rgb24")
            for _ in range(2):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        file.write(part.getvalue())
    return file.getvalue()


def test_frames_that_grow_in_mid_video_are_refused() -> None:
    with pytest.raises(InputError, match=r"pixels|can't be read|memory"):
        open_apart(Media(video=growing()), BUCKETS, given=Given(extend="end"), fps=30)


def test_a_file_that_takes_too_long_is_refused_and_its_child_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS", 0.3)
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"took longer than 0\.3 s"):
        open_apart(Media(video=slow()), BUCKETS, given=Given(extend="end"), fps=30)
    assert time.monotonic() - begun < 30 and not children()


def test_a_child_that_was_killed_is_no_fault_of_the_file() -> None:
    def kill() -> None:
        while not (found := children()):
            time.sleep(0.005)
        os.kill(found[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ProcessLostError, match="was killed; try again"):
        open_apart(Media(video=slow()), BUCKETS, given=Given(extend="end"), fps=30)
    killer.join()


def test_children_know_their_owner_and_write_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with frames_apart(clip(600), 30, (64, 64)) as (_, frames):
        next(frames)
        (child,) = children()
        assert child.environ()[OWNER].startswith(f"{os.getpid()}:")
    assert list(tmp_path.iterdir()) == []


def test_video_of_many_frames_is_decoded_within_the_memory_of_the_child() -> None:
    with frames_apart(clip(600), 30) as (facts, pictures):
        assert facts.frames == 600 and sum(1 for _ in pictures) == 600
