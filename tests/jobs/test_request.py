"""The request's own rules."""

import pytest

from farm.jobs.filenames import slug
from farm.jobs.request import RenderRequest


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


def test_a_request_keeps_the_digest_that_it_had_before_there_were_more_fields() -> None:
    asked = {"prompt": "The puppet waves", "image_sha256": "a" * 64, "seed": 3}
    known = "8a94dd6551f9ae6f40866dd0529b56166c5d0e894067636fc30f9ad349209f70"
    assert RenderRequest(**asked, image_fit="crop", image_position=0.5).digest == known
    assert RenderRequest(**asked, image_fit="pad").digest != known != RenderRequest(**asked, image_position=0).digest


def test_a_gate_names_another_video_only_where_it_renders_again() -> None:
    asked = {"prompt": "The puppet waves", "seed": 3}
    plain = RenderRequest(**asked).digest
    assert {RenderRequest(**asked, quality_gate=gate, retakes=4).digest for gate in ("warn", "stop")} == {plain}
    again = [RenderRequest(**asked, quality_gate="retake", retakes=count).digest for count in (2, 3)]
    assert len({plain, *again}) == 3 and RenderRequest(**asked, quality_gate="retake").digest == again[0]
