"""Clips of files: buckets, cuts, captions, and faults that are named before anything is computed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import model.families as families
import model.training.dataset as dataset
from farm.errors import InputError
from model.training.config import Data
from model.training.dataset import find_clips
from tests.support.clips import clip, flat
from tests.support.machine import here


@pytest.fixture
def info(released: Path) -> Any:
    return families.describe("framepack", here())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    return tmp_path / "clips"


def find(folder: Path, info: Any, **source: Any) -> list[dataset.Clip]:
    return find_clips([Data(folder=folder, **source)], info, here(), folder.parent / "notes")


def test_a_long_video_becomes_clips_that_begin_where_the_one_before_ends(folder: Path, info: Any) -> None:
    (folder / "long.mp4").write_bytes(clip(120))
    clips = find(folder, info, caption="It moves.", sections=2)
    assert [(each.first, each.frames, each.sections) for each in clips] == [(0, 73, 2), (72, 37, 1)]


def test_files_come_into_the_bucket_of_their_shape(folder: Path, info: Any) -> None:
    (folder / "square.png").write_bytes(flat("red", 100, 100))
    (folder / "wide.png").write_bytes(flat("red", 150, 100))
    clips = find(folder, info, caption="Red.", repeats=3)
    assert [each.bucket for each in clips] == [(64, 64), (64, 96)]
    assert {(each.frames, each.sections, each.repeats) for each in clips} == {(1, 0, 3)}


def test_a_caption_of_the_config_goes_before_that_beside_the_file_and_before_the_common_one(
    folder: Path, info: Any
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).write_bytes(flat("red"))
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"beside {name}\n\n")
    clips = find(folder, info, caption="common", captions={"a.png": "in the config"})
    assert [each.caption for each in clips] == ["in the config", "beside b.txt", "common"]


def test_faults_name_the_file_and_what_to_do(folder: Path, info: Any) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find(folder / "elsewhere", info)
    with pytest.raises(InputError, match="holds no video and no picture"):
        find(folder, info)
    file = folder / "short.mp4"
    file.write_bytes(clip(20))
    with pytest.raises(InputError, match=r"short\.mp4: it has no caption; write what it shows into short\.txt"):
        find(folder, info)
    with pytest.raises(InputError, match=r"short\.mp4: it has 20 frames at 30 a second; a section .* takes 37"):
        find(folder, info, caption="It moves.")
    file.write_bytes(clip(40)[:2000])
    with pytest.raises(InputError, match=r"short\.mp4: the video can't be read"):
        find(folder, info, caption="It moves.")
    with pytest.raises(InputError, match=r"no file 'x\.mp4'"):
        find(folder, info, captions={"x.mp4": "It moves."})


def test_a_file_that_was_looked_at_is_not_decoded_again(folder: Path, info: Any, monkeypatch: Any) -> None:
    (folder / "a.mp4").write_bytes(clip(40))
    first = find(folder, info, caption="It moves.")
    monkeypatch.setattr(dataset, "frames_apart", None)
    assert find(folder, info, caption="It moves.") == first
    assert find(folder, info, caption="Else.") == [replace(first[0], caption="Else.")]
