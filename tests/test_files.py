"""Files are there whole or not at all."""

from pathlib import Path

import pytest

from farm.errors import StorageError
from farm.files import written_aside
from tests.support.disks import small_disk


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    with written_aside(target) as aside:
        aside.write_text("half")
        assert not target.exists()
        aside.write_text("whole")
    assert target.read_text() == "whole" and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_goes_wrong_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(error):
        with written_aside(target) as aside:
            aside.write_text("half")
            raise error
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        with pytest.raises(StorageError, match=r"can't write .*file: No space"):
            with written_aside(disk.path / "file") as aside:
                aside.write_bytes(b"x" * 200_000)
        assert list(disk.path.iterdir()) == []
