"""Small video files, and pictures, for tests of anchors."""

import io
import wave
from collections.abc import Sequence

import av
import numpy as np
from PIL import Image


def frame(index: int, width: int = 64, height: int = 64) -> np.ndarray:
    """A grey picture as bright as ``index`` * 8, with a white bar that moves to the right."""
    picture = np.full((height, width, 3), min(index * 8, 200), np.uint8)
    picture[:, index % width] = 255
    return picture


def clip(frames: int = 24, fps: int = 30, width: int = 64, height: int = 64, kind: str = "mp4") -> bytes:
    """A video file."""
    return encoded([frame(index, width, height) for index in range(frames)], fps, kind)


def encoded(frames: Sequence[np.ndarray], fps: int = 30, kind: str = "mp4") -> bytes:
    """Frames [height, width, 3] uint8 as a video file; H.264 without loss of brightness worth speaking of."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "4"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def flat(colour: str, width: int = 64, height: int = 64) -> bytes:
    """A picture file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def talking(frames: int = 24, hertz: float = 0.0) -> bytes:
    """A video with sound: a moment of silence, or a tone as long as the video."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=30, options={"crf": "10"})
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=44100)
        for index in range(frames):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame(index), format="rgb24")))
        count = 44100 * frames // 30 if hertz else 1024
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(count) / 44100).astype(np.float32)[None]
        samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        samples.sample_rate = 44100
        for packet in (*picture.encode(None), *sound.encode(samples), *sound.encode(None)):
            container.mux(packet)
    return file.getvalue()


def tone(seconds: float, hertz: float = 440.0, level: float = 0.5) -> bytes:
    """A WAV file, mono, with a tone as loud as ``level`` at its peaks."""
    wave_form = level * np.sin(2 * np.pi * hertz * np.arange(round(44100 * seconds)) / 44100)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(44100)
        sound.writeframes(np.rint(wave_form * 32767).astype("<i2").tobytes())
    return file.getvalue()
