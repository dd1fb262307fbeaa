"""The sound of a given video, or a sound track: from untrusted bytes to samples."""

import io
from collections.abc import Iterator

import av
import numpy as np
from av.error import FFmpegError

from farm.errors import InputError

from .limits import MAX_SOUND_SECONDS, MAX_VIDEO_SECONDS, RATE, SAMPLE
from .video import CODECS, CONTAINERS

SOUND_CODECS = (
    "aac", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis", "flac", "alac", "ac3", "eac3", "pcm_u8",
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le",
)  # fmt: skip
"""FFmpeg's names of the decoders that are used."""
TRACKS = ("wav", "mp3", "flac", "ogg", "aac", "aiff", *CONTAINERS)
"""FFmpeg's names of the formats of sound tracks."""


def read_sound(data: bytes, *, track: bool = False) -> Iterator[bytes]:
    """Decode the first audio stream of a video, from the moment of its first picture on; or that of a sound ``track``,
    ``MAX_SOUND_SECONDS`` of it at most.

    Yields:
        pieces of int16 [samples, 2] interleaved, little-endian, ``RATE`` a second.

    Raises:
        InputError: there is none, or it can't be decoded.
    """
    options = {
        "format_whitelist": ",".join(TRACKS if track else CONTAINERS),
        "codec_whitelist": ",".join((*CODECS, *SOUND_CODECS)),
        "protocol_whitelist": "none",
    }
    try:
        with av.open(io.BytesIO(data), "r", options=options) as container:
            if not container.streams.audio or container.streams.audio[0].codec_context.name not in SOUND_CODECS:
                raise InputError(f"the {'sound track' if track else 'video'} has no sound that can be read.")
            pictures = container.streams.video[0] if container.streams.video and not track else None
            begin = float((pictures.start_time or 0) * (pictures.time_base or 0)) if pictures else 0.0
            left = (MAX_SOUND_SECONDS if track else MAX_VIDEO_SECONDS) * RATE
            for piece in _resampled(container, begin):
                piece = piece[: left * SAMPLE]
                left -= len(piece) // SAMPLE
                yield piece
                if left <= 0:
                    return
    except FFmpegError as error:
        reason = error.strerror or type(error).__name__
        if track:
            raise InputError(
                f"the sound track can't be read ({reason}); give a WAV, FLAC, MP3, Ogg or M4A file."
            ) from None
        raise InputError(f"the sound can't be read ({reason}).") from None


def _resampled(container: av.container.InputContainer, begin: float) -> Iterator[bytes]:
    """Samples from second ``begin`` of the file on: silence where they begin later, cut where they begin earlier."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
    skip = None
    for decoded in _with_end(container):
        if skip is None and decoded is not None:
            skip = round((begin - (decoded.time or 0.0)) * RATE)
            if skip < 0:
                yield bytes(min(-skip, MAX_VIDEO_SECONDS * RATE) * SAMPLE)
                skip = 0
        for frame in resampler.resample(decoded):
            samples = np.ascontiguousarray(frame.to_ndarray()).astype("<i2", copy=False).tobytes()
            cut = min(skip or 0, frame.samples)
            skip = (skip or 0) - cut
            yield samples[cut * SAMPLE :]


def _with_end(container: av.container.InputContainer) -> Iterator[av.AudioFrame | None]:
    yield from container.decode(audio=0)
    yield None
