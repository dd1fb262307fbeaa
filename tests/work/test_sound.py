"""Sound of a given video, where its pictures are, and a sound track, in every file that can carry them."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from farm.errors import InputError
from farm.jobs.exports import Export
from farm.work.reference import render_in_process
from farm.work.sound import Given, sound_of
from model.footage.media import Media
from plugins.manager import PluginManager
from tests.support.clips import talking, tone

from .conftest import Farm

GIVEN = 45
"""Frames of the given video: 1.5 s."""


def loudness(path: Path) -> dict[float, float]:
    """Of each tenth of a second."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        pieces = [frame.to_ndarray()[0] for raw in container.decode(audio=0) for frame in resampler.resample(raw)]
    samples = np.concatenate(pieces)
    return {
        round(start / 48000, 1): float(np.abs(samples[start : start + 4800]).mean())
        for start in range(0, len(samples) - 4800, 4800)
    }


@pytest.mark.parametrize("side", ["end", "start"])
def test_it_is_heard_where_its_pictures_are(alone: Farm, side: str) -> None:
    media = Media(video=talking(GIVEN, hertz=440))
    asked = ["mp4", "webm:crf=50,speed=fast", "mov-prores", "ffv1", "webp:quality=10"]
    job = alone.job(media, total_second_length=1.2, steps=1, extend=side, exports=asked, num_cleaned_frames=1)
    done = render_in_process(alone.store, alone.artifacts, job.id)
    assert done.state == "completed", done.error
    files = alone.store.artifacts(job.id)
    said = [json.loads(alone.artifacts.read(files[name].key)) for name in ("manifest", "manifest-4")]
    assert said[0]["video"]["sound"] == "that of the given video" and said[0]["export"]["file"]["sound"] == "aac"
    assert said[1]["video"]["sound"] == "that of the given video is left out: webp carries none"
    total = said[0]["video"]["seconds"]
    begin, end = (0.0, 1.5) if side == "end" else (total - 1.5, total)
    for name in ("video", "video-1", "video-2", "video-3"):
        heard = loudness(Path(alone.artifacts.path(files[name].key)))
        inside = [level for second, level in heard.items() if begin + 0.1 < second < end - 0.25]
        outside = [level for second, level in heard.items() if second < begin - 0.2 or second > end + 0.1]
        assert len(inside) > 8 and min(inside) > 0.1, (name, heard)
        assert max(outside, default=0.0) < 0.01, (name, heard)


MP4 = PluginManager(packages=False).exporter("mp4")
MEAN = 2 / np.pi * 0.5
"""Mean loudness of a tone whose peaks are 0.5."""


def heard(folder: Path, seconds: float, given: Given | None = None, **fields: float) -> dict[float, float]:
    """What of a tone of one second is heard when."""
    wanted = Export.model_validate({f"audio_{name}": value for name, value in fields.items()})
    path, _ = sound_of(MP4, wanted, tone(1.0), given, seconds, folder)
    assert path is not None
    return loudness(path)


def test_a_track_is_cut_moved_repeated_and_fades(tmp_path: Path) -> None:
    found = heard(tmp_path, 3.0, start=0.2, end=0.7, at=0.5, loop=True, gain=-6, fade_in=0.5, fade_out=1.0)
    assert max(found[second] for second in (0.0, 0.1, 0.2, 0.3, 0.4)) == 0
    full = MEAN * 10 ** (-6 / 20)
    for second, share in {0.5: 0.1, 0.9: 0.9, 1.2: 1, 1.7: 1, 2.0: 0.95, 2.5: 0.45}.items():
        assert found[second] == pytest.approx(share * full, rel=0.05), second


def test_a_track_that_ends_is_followed_by_silence_and_one_too_long_is_cut(tmp_path: Path) -> None:
    found = heard(tmp_path, 2.0, at=0.5)
    assert found[1.0] == pytest.approx(MEAN, rel=0.02) and found[0.3] == found[1.6] == 0
    assert len(heard(tmp_path, 0.6)) == 5


def test_a_track_lies_under_the_sound_of_the_given_video(tmp_path: Path) -> None:
    """440 and 880 Hz are heard together; too loud a sum is cut, and wraps nowhere."""
    given = Given(talking(30, hertz=880), 1.0, 1.0)
    found = heard(tmp_path, 2.0, given)
    assert found[0.5] == pytest.approx(MEAN, rel=0.02) and found[1.5] == pytest.approx(MEAN, rel=0.1)
    both = heard(tmp_path, 2.0, given, loop=True, gain=20)  # two channels in one are at most the root of 2
    assert 0.8 * 2**0.5 < both[1.5] <= 2**0.5 and 0.8 * 2**0.5 < both[0.5] <= 2**0.5


def test_what_is_no_track_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the sound track can't be read .*give a WAV, FLAC, MP3, Ogg or M4A"):
        sound_of(MP4, Export(), b"no sound" * 100, None, 1.0, tmp_path)
