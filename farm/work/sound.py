"""The sound of an export: that of the given video, where its pictures are, and a sound track."""

import wave
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farm.errors import InputError
from farm.jobs.exports import Export
from model.footage.apart import sound_apart
from model.footage.limits import CHANNELS, RATE, SAMPLE
from plugins.manager import OfferedExporter

Samples = npt.NDArray[np.float64]
"""[samples, channels], 1 is as loud as can be."""
LOUDEST = 32767
GIVEN, TRACK, LEFT_OUT = "that of the given video", "the sound track", "is left out"


class Given(NamedTuple):
    """A video that is joined, and the seconds of the finished one from which on and for how long it is seen."""

    source: bytes
    start: float
    seconds: float


def sound_of(
    exporter: OfferedExporter, wanted: Export, track: bytes, given: Given | None, seconds: float, folder: Path
) -> tuple[Path | None, str | None]:
    """The sound of a video as a file, and what the manifest says of it; None for none.

    Args:
        exporter: that writes the video.
        wanted: the export.
        track: the sound track; empty for none.
        given: the video that is joined, if it has sound.
        seconds: length of the video.
        folder: where files are written.

    Raises:
        InputError: the sound track can't be read.
    """
    sounds = [*([GIVEN] if given else []), *([TRACK] if track else [])]
    if not sounds:
        return None, None
    if not exporter.carries_sound:
        return None, f"{' and '.join(sounds)} {LEFT_OUT}: {exporter.name} carries none"
    path, parts = folder / "sound.wav", [track_sound(track, wanted, seconds, folder)] if track else []
    if given is None:
        write_sound(path, seconds, *parts)
        return path, TRACK
    try:
        write_sound(path, seconds, given_sound(*given), *parts)
        return path, " and ".join(sounds)
    except InputError as error:  # its pictures could be read, so the job goes on
        if not track:
            return None, f"{GIVEN} {LEFT_OUT}: {error}"
        write_sound(path, seconds, track_sound(track, wanted, seconds, folder))
        return path, f"{TRACK}; {GIVEN} {LEFT_OUT}: {error}"


def given_sound(source: bytes, start: float, seconds: float) -> Iterator[Samples]:
    """The sound of a given video, heard from ``start`` on for at most ``seconds``, after silence.

    Raises:
        InputError: it can't be read.
    """
    yield from _silence(round(start * RATE))
    left = round(seconds * RATE) * SAMPLE
    for piece in sound_apart(source):
        yield _samples(piece[:left])
        left -= min(left, len(piece))


def track_sound(track: bytes, wanted: Export, seconds: float, folder: Path) -> Iterator[Samples]:
    """A sound track as the fields ``audio_...`` of an export say, for a video of ``seconds``.

    Args:
        folder: where what is heard of it is kept decoded.

    Raises:
        InputError: it can't be read.
    """
    cut = _cut(track, wanted, folder / "track.pcm")
    before, left = round(wanted.audio_at * RATE), round((seconds - wanted.audio_at) * RATE)
    yield from _silence(min(before, round(seconds * RATE)))
    heard = left if wanted.audio_loop else min(left, len(cut))
    gain = 10 ** (wanted.audio_gain / 20)
    fade_in, fade_out = (max(1, round(fade * RATE)) for fade in (wanted.audio_fade_in, wanted.audio_fade_out))
    for first in range(0, heard if len(cut) else 0, RATE):
        at = np.arange(first, min(first + RATE, heard))
        loudness = np.minimum(1, np.minimum((at + 1) / fade_in, (heard - at) / fade_out))
        yield cut[at % len(cut)] / LOUDEST * (gain * loudness)[:, None]


def _silence(samples: int) -> Iterator[Samples]:
    for first in range(0, samples, RATE):
        yield np.zeros((min(RATE, samples - first), CHANNELS))


def write_sound(path: Path, seconds: float, *sounds: Iterator[Samples]) -> None:
    """Write a WAV of that length in which all ``sounds`` are heard at once; what is too loud is cut."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(CHANNELS)
        file.setsampwidth(SAMPLE // CHANNELS)
        file.setframerate(RATE)
        for blocks in zip(*(_blocks(sound, round(seconds * RATE)) for sound in sounds), strict=True):
            loud = np.clip(np.sum(blocks, axis=0), -1, 1)
            file.writeframes(np.rint(loud * LOUDEST).astype("<i2").tobytes())


def _samples(piece: bytes) -> Samples:
    return np.frombuffer(piece, "<i2").reshape(-1, CHANNELS) / LOUDEST


def _cut(track: bytes, wanted: Export, path: Path) -> npt.NDArray[np.int16]:
    """What is heard of it once, int16 [samples, channels]; it stays on the disk."""
    skip = round(wanted.audio_start * RATE) * SAMPLE
    left = None if wanted.audio_end is None else round((wanted.audio_end - wanted.audio_start) * RATE) * SAMPLE
    with path.open("wb") as file:
        for whole in sound_apart(track, track=True):
            piece = whole[skip:][:left]
            skip = max(0, skip - len(whole))
            file.write(piece)
            left = None if left is None else left - len(piece)
            if left == 0:
                break
    if not path.stat().st_size:
        return np.zeros((0, CHANNELS), np.int16)
    return np.memmap(path, "<i2", "r").reshape(-1, CHANNELS)


def _blocks(sound: Iterator[Samples], length: int) -> Iterator[Samples]:
    """The same in pieces of a second, ``length`` samples in all: cut, or followed by silence."""
    kept = np.zeros((0, CHANNELS))
    for first in range(0, length, RATE):
        size = min(RATE, length - first)
        while len(kept) < size:
            with suppress(StopIteration):
                kept = np.concatenate([kept, next(sound)])
                continue
            kept = np.concatenate([kept, np.zeros((size - len(kept), CHANNELS))])
        yield kept[:size]
        kept = kept[size:]
