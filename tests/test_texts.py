"""Text at the door: control characters, what can be seen, and files as editors save them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import InputError, PluginError
from farm.texts import decode, is_visible, one_line, plain, read_toml, toml_files

TOML = 'name = "Tänzer 猫"\r\n[values]\r\nsteps = 3\r\n'


@pytest.mark.parametrize("bad", ["\0", "\x01", "\x1b[31m", "\x7f", "\x85", "\ud800", "a\x08b"])
def test_control_characters_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"no control characters, has U\+"):
        plain(f"text {bad}")
    with pytest.raises(ValueError, match="control"):
        one_line(bad)


@pytest.mark.parametrize("good", ["", "plain", "two\nlines\tand a tab", "猫のダンス 👩‍🎤 “quotes” <b>", "\u200b"])
def test_everything_that_people_write_passes(good: str) -> None:
    assert plain(good) == good


@given(st.text())
def test_what_passes_can_be_stored_anywhere(text: str) -> None:
    try:
        passed = plain(text)
    except ValueError:
        return
    assert "\0" not in passed and "\r" not in passed
    assert passed.encode("utf-8").decode("utf-8") == passed
    assert plain(passed) == passed


def test_line_ends_are_one() -> None:
    assert plain("a\r\nb\rc\n") == "a\nb\nc\n"
    for text in ("a\nb", "a\tb", "a\r"):
        with pytest.raises(ValueError, match="one line"):
            one_line(text)


@pytest.mark.parametrize(
    ("text", "visible"),
    [("a", True), ("猫", True), ("👍", True), ("!", True), (" \n", False), ("\u200b\u200d\ufeff", False), ("", False)],
)
def test_what_can_be_seen(text: str, visible: bool) -> None:
    assert is_visible(text) is visible


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_files_of_common_editors_are_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(TOML.encode(encoding))
    assert read_toml(file, "x.toml") == {"name": "Tänzer 猫", "values": {"steps": 3}}
    assert "\r" not in decode(file.read_bytes(), "x")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_other_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(TOML.replace("猫", "").encode(encoding))
    with pytest.raises(PluginError, match=r"x\.toml: .*save it as UTF-8") as caught:
        read_toml(file, "x.toml", PluginError)
    assert ("UTF-16" in str(caught.value)) is encoding.startswith("utf-16")


def test_what_is_no_toml_says_where(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("a = ")
    with pytest.raises(InputError, match=r"not valid TOML: Invalid value"):
        read_toml(tmp_path / "x.toml", "x.toml")
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "none.toml", "none.toml")


def test_files_are_found_however_their_ending_is_written(tmp_path: Path) -> None:
    for name in ("b.TOML", "a.toml", "c.txt"):
        (tmp_path / name).touch()
    assert [file.name for file in toml_files(tmp_path)] == ["a.toml", "b.TOML"]
    assert list(toml_files(tmp_path / "none")) == []
