"""The request's own rules."""

import pytest

from farm.jobs.request import slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The puppet dances!", "the-puppet-dances"),
        ("猫のダンス/第1話", "猫のダンス-第1話"),
        ("Tänzer & Café", "tänzer-café"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\tb\\c:d*e", "a-b-c-d-e"),
        ("", "video"),
        ("!!!", "video"),
        ("👍", "video"),
        ("x" * 100, "x" * 40),
    ],
)
def test_file_names_keep_the_script_they_are_written_in(text: str, expected: str) -> None:
    assert slug(text) == expected
    assert len(slug(text).encode()) <= 200
