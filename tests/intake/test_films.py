"""What makes shots one film."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.errors import InputError
from farm.films.storyboard import Storyboard
from farm.intake.films import AcceptedFilm, accept_film, check_together
from tests.support.api import picture
from tests.support.farms import puppet_at


@pytest.fixture(autouse=True, scope="module")
def tiny(tiny_folder: Path) -> Iterator[None]:
    with puppet_at(tiny_folder):
        yield


def film(*shots: dict[str, Any], **more: Any) -> AcceptedFilm:
    written = [{"prompt": "The puppet waves", "picture": "a.png", "seconds": 2.4, **shot} for shot in shots]
    return accept_film(Storyboard.of({"shots": written, **more}), {"a.png": picture()})


def test_shots_without_seed_have_the_same_one() -> None:
    seeds = [shot.accepted.request.seed for shot in film({}, {"seed": 4}, {}).shots]
    assert seeds[0] == seeds[2] != 4 == seeds[1]


def test_shots_of_unlike_size_or_model_are_no_film() -> None:
    shots = film({}, {"name": "wide"}).shots
    wide = replace(shots[1].accepted, family=replace(shots[1].accepted.family, buckets=((64, 192),)))
    with pytest.raises(InputError, match="shot wide would be 192x64, and shot 1 is 64x64"):
        check_together([shots[0], replace(shots[1], accepted=wide)])
    other = replace(shots[1].accepted, request=wide.request.model_copy(update={"model_type": "framepack"}))
    with pytest.raises(InputError, match="a film is rendered by one model"):
        check_together([shots[0], replace(shots[1], accepted=other)])


def test_a_sound_track_that_is_named_must_be_there() -> None:
    with pytest.raises(InputError, match=r"the sound track 'song\.mp3' is missing"):
        film({}, audio="song.mp3")
