"""Small video files, and pictures, for tests of anchors."""

import io

import av
import numpy as np
from PIL import Image


def frame(index: int, width: int = 64, height: int = 64) -> np.ndarray:
    """A grey picture as bright as ``index`` * 8, with a white bar that moves to the right."""
    picture = np.full((height, width, 3), min(index * 8, 200), np.uint8)
    picture[:, index % width] = 255
    return picture


def clip(frames: int = 24, fps: int = 30, width: int = 64, height: int = 64, kind: str = "mp4") -> bytes:
    """A video file; H.264 without loss of brightness worth speaking of."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(frame(index, width, height), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def flat(colour: str, width: int = 64, height: int = 64) -> bytes:
    """A picture file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def talking(frames: int = 24) -> bytes:
    """A video with sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=30, options={"crf": "10"})
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=44100)
        for index in range(frames):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame(index), format="rgb24")))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 44100
        for packet in (*picture.encode(None), *sound.encode(samples), *sound.encode(None)):
            container.mux(packet)
    return file.getvalue()
