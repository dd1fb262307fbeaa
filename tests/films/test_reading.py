"""Storyboards in files of three kinds."""

from pathlib import Path

import pytest

from farm.errors import InputError
from farm.films.reading import read_storyboard
from farm.films.storyboard import Storyboard


def test_toml_names_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "song.mp3").write_bytes(b"song")
    file = tmp_path / "day.toml"
    file.write_text('audio = "song.mp3"\n[every]\nsteps = 9\n[[shots]]\nprompt = "x"\npicture = "a.png"\n')
    found = read_storyboard(file, {"steps": 4, "gs": 7})
    assert (found.pictures, found.audio) == ({"a.png": b"a"}, b"song")
    assert Storyboard.of(found.written).whole == {"name": "day", "steps": 9, "gs": 7}


def test_only_marks_divide_a_text(tmp_path: Path) -> None:
    file = tmp_path / "day.txt"
    file.write_text("The puppet waves.\nIt smiles.\n\n -----\n\nIt jumps - and lands. -- Then:\n---\n---\nIt bows.\n")
    prompts = [shot.prompt for shot in Storyboard.of(read_storyboard(file).written).shots]
    assert prompts == ["The puppet waves. It smiles.", "It jumps - and lands. -- Then:", "It bows."]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.toml", None, "there is no file"),
        ("bad.toml", "[[shots", "not valid TOML"),
        ("lacks.toml", '[[shots]]\nprompt = "x"\npicture = "a.png"\n', "can't read the picture .*a.png"),
        ("empty.txt", "\n---\n", "has no shots"),
        ("bad.otio", "{}", "is no timeline"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_storyboard(tmp_path / name)
