"""What there is of a video before it is finished: clip and thumbnail of each decoded section, no part of any result.

A clip is one section as H.264 in MP4, encoded once by whoever decodes it; clips are joined without decoding them. At
seams the clips don't pass over into each other as the finished video does.
"""

import io
import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from farm.errors import StorageError
from farm.jobs.names import clip_name, thumbnail_name
from farm.jobs.records import Artifact

from .workspace import Workspace

if TYPE_CHECKING:
    Pictures = np.ndarray[Any, np.dtype[np.uint8]]

CRF = 23
THREADS = 1
LARGEST = 240
"""Pixels of a thumbnail's longer side."""
OPTIONS = {"preset": "veryfast", "crf": str(CRF), "bf": "0", "g": "9999"}
"""Without B-frames and with one key frame: what is joined begins where the one before ended."""
PARAMS = "stitchable=1"
"""What depends on the pictures is left out of the headers, which are equal thereby, so that one serves all clips."""

log = logging.getLogger(__name__)


def put_clip(work: Workspace, pictures: "Pictures", first: int) -> list[Artifact]:
    """Write the clip and the thumbnail of the workspace's section; what fails is left out, and no fault of the task's.

    Args:
        pictures: [n, h, w, 3] of the chunk.
        first: the frame of the video that the chunk begins at.
    """
    plan, index = work.plan, work.section
    shown = plan.sections[index].frames
    start = max(shown.start, plan.first_frame)
    stop = min(shown.stop, plan.first_frame + plan.output_frames)
    try:
        own = pictures[start - first : stop - first]
        if not len(own):
            return []
        clip, picture = clip_of(own, plan.fps), thumbnail_of(own[len(own) // 2])
        return [
            work.put(clip_name(index), f"{clip_name(index)}.mp4", clip, "video/mp4"),
            work.put(thumbnail_name(index), f"{thumbnail_name(index)}.jpg", picture, "image/jpeg"),
        ]
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a clip must not reach the render
        log.warning("no clip of section %d: %s: %s", index, type(error).__name__, error)
        return []


def clip_of(pictures: "Pictures", fps: int) -> bytes:
    """An MP4 of pictures [n, h, w, 3]."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={**OPTIONS, "x264-params": PARAMS})
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = THREADS
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def thumbnail_of(picture: Any) -> bytes:
    """A small JPEG of a picture [h, w, 3] uint8."""
    from PIL import Image

    image, buffer = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((LARGEST, LARGEST))
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def join_clips(clips: Sequence[Path], target: Path) -> list[int]:
    """Write one MP4 of the clips, in this order; gives the places in ``clips`` of those that are in it. One that can't
    be read, or was encoded in another way than the first, is left out.

    Raises:
        StorageError: none can be read, or ``target`` can't be written.
    """
    import av

    used: list[int] = []
    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as joined:
            out: Any = None
            header, end = b"", 0
            for place, path in enumerate(clips):
                try:
                    with av.open(str(path), format="mp4") as clip:
                        source = clip.streams.video[0]
                        if out is None:
                            out = joined.add_stream_from_template(source)
                            header = source.codec_context.extradata or b""
                        if (source.codec_context.extradata or b"") != header:
                            continue
                        for packet in clip.demux(source):
                            if packet.dts is None:
                                continue
                            packet.stream = out
                            packet.pts = packet.dts = end
                            end += packet.duration or 0
                            joined.mux(packet)
                    used.append(place)
                except (av.error.FFmpegError, IndexError) as error:
                    log.warning("clip %s can't be read: %s", path.name, error)
    except (OSError, av.error.FFmpegError, ValueError) as error:
        raise StorageError(f"can't write {target}: {error}.") from None
    if not used:
        raise StorageError("none of the finished sections can be played; look at the farm's disk.")
    return used
