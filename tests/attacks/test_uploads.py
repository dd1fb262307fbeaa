"""Bombs and lures through the HTTP API: each is refused with one line, stores nothing and leaves the farm well."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import httpx
import numpy as np
import psutil
import pytest

from farm.processes import FAMILY
from model.footage.limits import MAX_VIDEO_PIXELS
from tests.support.api import LiveFarm, picture
from tests.support.clips import clip

LARGEST_GROWTH = 200e6
"""Bytes by which the server's own memory may grow: decoding happens elsewhere."""


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of these pixels, whose data are zeros: a thousandth of its size once it is packed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(min(30_000_000, (1 + width // 8 + 1) * height)), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def png_with_a_long_text() -> bytes:
    """A small PNG with a compressed text of 300 MB before its pixels."""
    whole = picture()
    packer = zlib.compressobj(9)
    text = b"".join(packer.compress(bytes(10_000_000)) for _ in range(30)) + packer.flush()
    data = b"Comment\0\0" + text
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return whole[:33] + chunk + whole[33:]


def still(width: int, height: int, frames: int, fps: int = 30) -> bytes:
    """A black video; a second of it is a few hundred bytes."""
    file = io.BytesIO()
    black = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24").reformat(
        format="yuv420p"
    )
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "51"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            black.pts = index
            container.mux(stream.encode(black))
        container.mux(stream.encode(None))
    return file.getvalue()


def too_large() -> bytes:
    side = int(MAX_VIDEO_PIXELS**0.5) // 16 * 16 + 32
    return still(side, side, 1)


VIDEOS: dict[str, Callable[[], bytes]] = {
    "ffconcat": lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "sdp": lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "playlist": lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "dash": lambda: b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
    "pixels per frame": too_large,
    "frames": lambda: still(64, 64, 130 * 240, fps=240),
    "seconds": lambda: still(64, 64, 130, fps=1),
    "cut short": lambda: clip(90, kind="matroska")[:4000],
}
PICTURES: dict[str, Callable[[], bytes]] = {
    "pixels": lambda: png_that_says(60_000, 60_000),
    "one line": lambda: png_that_says(2_000_000_000, 1),
    "gigapixels": lambda: png_that_says(2**31 - 1, 2**31 - 1),
    "text": png_with_a_long_text,
    "playlist": VIDEOS["playlist"],
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n",
}


def stored(farm: LiveFarm) -> set[Path]:
    return {path for path in farm.settings.home.rglob("*") if path.is_file() and "farm.db" not in path.name}


def decoders() -> list[int]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if FAMILY in process.environ():
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def refused(farm: LiveFarm, path: str, **files: bytes) -> str:
    """The message with which an upload is refused; everything else is as it was."""
    before, memory = stored(farm), psutil.Process().memory_info().rss
    begun = time.monotonic()
    answer = httpx.post(
        f"{farm.url}/api/v1{path}",
        headers={"Authorization": f"Bearer {farm.token}"},
        data={"request": '{"prompt": "x", "extend": "end"}' if "video" in files else '{"prompt": "x"}'},
        files=files,
        timeout=120,
    )
    assert answer.status_code == 422, answer.text
    assert time.monotonic() - begun < 60
    assert psutil.Process().memory_info().rss - memory < LARGEST_GROWTH
    assert stored(farm) == before
    assert not decoders()
    assert httpx.get(f"{farm.url}/api/v1/health", timeout=5).status_code == 200
    message = str(answer.json()["error"]["message"])
    assert "\n" not in message and "root:" not in message
    return message


@pytest.mark.parametrize("kind", VIDEOS)
def test_videos(farm: LiveFarm, kind: str) -> None:
    data = VIDEOS[kind]()
    assert len(data) < 20e6, "a bomb is small"
    assert "video" in refused(farm, "/jobs", video=data)


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("field", ["image", "end_image"])
def test_pictures(farm: LiveFarm, kind: str, field: str) -> None:
    data = PICTURES[kind]()
    assert len(data) < 20e6, "a bomb is small"
    files = {"image": picture(), field: data}
    if kind == "text":  # what such a picture shows is fine, its text is not read
        answer = httpx.post(
            f"{farm.url}/api/v1/jobs",
            headers={"Authorization": f"Bearer {farm.token}"},
            data={"request": '{"prompt": "x"}'},
            files=files,
            timeout=60,
        )
        assert answer.status_code in (201, 422), answer.text
        return
    assert "image" in refused(farm, "/jobs", **files)
