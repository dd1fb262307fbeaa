"""Encoding ahead: once for each content, whole or not at all, and to what inference encodes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

import model.families as families
import model.training.encoding as encoding
from farm.errors import StorageError
from model.training.config import Recipe
from model.training.loop import train
from model.training.prepare import Prepared, prepare
from tests.support.machine import here

SAMPLE = """
[lora]
rank = 2
[learning]
steps = 2
sample_every = 2
[[samples]]
image = "start.png"
prompt = "She waits."
steps = 2
"""


@pytest.mark.soak
def test_what_was_encoded_before_a_kill_is_not_encoded_again(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(SAMPLE)
    honest, made = encoding.encode_frames, []

    def cut(pictures: Any, vae: Any) -> Any:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(len(pictures))
        return honest(pictures, vae)

    monkeypatch.setattr(encoding, "encode_frames", cut)
    with pytest.raises(KeyboardInterrupt):
        prepare(wanted, here(), "cpu", tmp_path)
    kept = sorted(tmp_path.glob("??/*.safetensors"))
    assert made == [1, 73, 1] and len(kept) == 1 and not list(tmp_path.rglob("*.partial"))

    heard: list[tuple[str, int, int]] = []
    monkeypatch.setattr(encoding, "encode_frames", honest)
    prepare(wanted, here(), "cpu", tmp_path, lambda stage, done, total, metrics: heard.append((stage, done, total)))
    assert [each for each in heard if each[0] == "clips"] == [("clips", done, 2) for done in range(3)]
    assert set(kept) < set(tmp_path.glob("??/*.safetensors"))

    heard.clear()
    prepare(wanted, here(), "cpu", tmp_path, lambda stage, done, total, metrics: heard.append((stage, done, total)))
    assert {each[0] for each in heard} == {"files"}


def test_captions_buckets_and_checkpoints_have_entries_of_their_own(
    prepared: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = prepared()
    library, clip = training.library, training.clips[0]
    keys = {
        library._clip_key(clip),
        library._clip_key(type(clip)(**{**vars(clip), "bucket": (64, 96)})),
        library._clip_key(type(clip)(**{**vars(clip), "first": 36, "frames": 37, "sections": 1})),
        library._text_key("A bar moves."),
        library._text_key("A bar stands."),
    }
    monkeypatch.setitem(library._dtypes, "vae", "fp16")
    assert len(keys | {library._clip_key(clip)}) == 6
    assert library._text_key("A bar moves.") in keys


def test_a_damaged_entry_is_named(
    prepared: Callable[..., Prepared], recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    training = prepare(recipe(), here(), "cpu", tmp_path)
    file = training.library.cache.path(training.library._clip_key(training.clips[0]))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(StorageError, match="remove it and train again"):
        training.library.clip(training.clips[0])


def test_samples_are_encoded_as_for_a_render_and_rendered_while_it_learns(
    prepared: Callable[..., Prepared], tmp_path: Path
) -> None:
    training = prepared(SAMPLE)
    (sample,) = training.recipe.samples
    expected = families.load("framepack", here()).encode(sample.image.read_bytes(), (sample.prompt,), "")
    ours = training.library.conditioning(sample)
    assert ours.keys() == expected.keys() and all(ours[name].equal(tensor) for name, tensor in expected.items())

    train(training, tmp_path, "cpu")
    files = sorted(file.name for file in (tmp_path / "samples").iterdir())
    assert files == ["000000-1.mp4", "000002-1.mp4"]
    with av.open(tmp_path / "samples" / files[-1]) as video:
        assert sum(1 for _ in video.decode(video=0)) == 37
