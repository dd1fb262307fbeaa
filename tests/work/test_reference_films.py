"""A film is its shots, each as it would be alone; what is changed in one of them renders that one only."""

from typing import Any
from uuid import uuid4

import av
import numpy as np
import pytest

from farm.errors import ConflictError
from farm.films.storyboard import Storyboard
from farm.intake.exports import accept_exports
from farm.intake.films import accept_film
from farm.intake.queue import queue_film, queue_job
from farm.intake.request import accept
from farm.intake.takes import accept_take
from farm.jobs.exports import read_export
from farm.jobs.names import VIDEO, frames_name, latents_name
from farm.jobs.records import AttemptState, Job, JobState
from farm.store.reuse import REUSED
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.api import picture
from tests.support.farms import Farm

FFV1 = "ffv1"
PICTURES = {"a.png": picture(), "b.png": picture(kind="JPEG")}
SHOTS: list[dict[str, Any]] = [
    {"name": "dawn", "picture": "a.png", "prompt": "The puppet waves", "seconds": 2.4},
    {"name": "noon", "picture": "b.png", "prompt": "The puppet jumps", "seconds": 2.0, "transition": "fade:0.2"},
    {"name": "dusk", "prompt": "The puppet walks", "seconds": 1.2, "transition": "flow"},
]


def queue(farm: Farm, shots: list[dict[str, Any]]) -> Job:
    every = {"steps": 1, "cache": "none"}
    storyboard = Storyboard.of({"name": "A day", "exports": [FFV1], "every": every, "shots": shots})
    film = accept_film(storyboard, PICTURES)
    return queue_film(farm.store, farm.artifacts, film, uuid4().hex)


def render(farm: Farm, job: Job) -> Job:
    done = render_in_process(farm.store, farm.artifacts, job.id, settings=farm.settings)
    assert done.state is JobState.COMPLETED, done.error
    return done


def pixels(farm: Farm, job: Job) -> np.ndarray[Any, Any]:
    with av.open(str(farm.artifacts.path(farm.store.artifacts(job.id)[VIDEO].key))) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def rendered(farm: Farm, job: Job) -> list[str]:
    """Tasks that were really done for it."""
    done = [a for a in farm.store.attempts(job.id) if a.state is AttemptState.COMMITTED and a.replica != REUSED]
    return sorted(attempt.task_id.rpartition(".")[2] for attempt in done)


def test_shots_of_a_film_are_as_they_are_alone(alone: Farm) -> None:
    film = render(alone, queue(alone, SHOTS))
    assert [shot.name for shot in film.shots] == ["dawn", "noon to dusk"]
    assert [shot.sections for shot in film.shots] == [2, 3]
    assert film.plan["frames"] == 72 + 96 - 6 and film.plan["sections"] == 5 and film.plan["depth"] == 2

    shots = []
    for number, shot in enumerate(film.shots):
        fields = {**shot.stored.fields, "exports": [FFV1]}
        media = Media(image=PICTURES["a.png" if number == 0 else "b.png"])
        accepted = accept(fields, media)
        job = queue_job(alone.store, alone.artifacts, accepted, media, uuid4().hex)
        shots.append(pixels(alone, render(alone, job)))
        assert rendered(alone, job) == ["export"]  # all else is the film's
    seen = pixels(alone, film)
    assert len(seen) == film.plan["frames"]
    assert np.array_equal(seen[:66], shots[0][:66]) and np.array_equal(seen[72:], shots[1][6:])
    share = np.float32(1 / 7)
    assert np.array_equal(seen[66], np.rint(shots[0][66] * (1 - share) + shots[1][0] * share).astype(np.uint8))


def test_a_changed_shot_is_all_that_is_rendered(alone: Farm) -> None:
    before = render(alone, queue(alone, SHOTS))
    assert len(rendered(alone, before)) == 2 + 5 + 5 + 1
    moved = render(alone, queue(alone, [{**SHOTS[1], "transition": "cut"}, SHOTS[2], SHOTS[0]]))
    assert rendered(alone, moved) == ["export"]
    files = alone.store.artifacts(moved.id)
    for mine, theirs in ((0, 2), (2, 4), (3, 0), (4, 1)):
        for name in (latents_name, frames_name):
            assert files[name(mine)].sha256 == alone.store.artifacts(before.id)[name(theirs)].sha256
    changed = render(alone, queue(alone, [{**SHOTS[0], "prompt": "The puppet bows"}, *SHOTS[1:]]))
    of_first = ["decode-000", "decode-001", "encode", "export", "section-000", "section-001"]
    assert rendered(alone, changed) == of_first


def test_what_is_damaged_of_a_later_shot_is_made_again(alone: Farm) -> None:
    film = queue(alone, SHOTS)
    whole = alone.store.artifacts(render(alone, film).id)
    for name in ("latents-003", "conditioning-1"):
        alone.artifacts.path(whole[name].key).write_bytes(b"damaged")
    assert alone.store.remake(film.id, "frames-003", "lost")  # whose maker reads both
    render(alone, film)
    again = alone.store.artifacts(film.id)
    assert all(again[name].size == whole[name].size for name in ("latents-003", "conditioning-1", "frames-003"))
    assert [task.name for task in alone.store.tasks(film.id) if len(made(alone, film, task.name)) > 1] == [
        *("encode-1", "section-003", "decode-003")
    ]


def made(farm: Farm, job: Job, task: str) -> list[str]:
    """The attempts that made something for a task, also what is no more."""
    done = (AttemptState.COMMITTED, AttemptState.SUPERSEDED)
    return [a.id for a in farm.store.attempts(job.id) if a.task_id.endswith(f".{task}") and a.state in done]


def test_equal_shots_of_one_film_are_rendered_once(alone: Farm) -> None:
    film = render(alone, queue(alone, [SHOTS[0], SHOTS[0]]))
    assert rendered(alone, film) == ["decode-000", "decode-001", "encode", "export", "section-000", "section-001"]
    files = alone.store.artifacts(film.id)
    assert files["latents-002"].sha256 == files["latents-000"].sha256
    assert files["latents-002"].key != files["latents-000"].key


def test_a_shot_is_judged_as_it_asks(alone: Farm) -> None:
    judged = {**SHOTS[0], "quality_gate": "retake", "retakes": 1}
    film = render(alone, queue(alone, [SHOTS[0], judged]))
    names = [task.name for task in alone.store.tasks(film.id)]
    taken = [name for name in names if "-take-" in name]
    assert taken and all(name.startswith(("section-002", "section-003")) for name in taken)
    files = alone.store.artifacts(film.id)
    assert "latents-002-take-0" in files or "latents-002-take-1" in files


def test_a_film_is_exported_once_more_but_has_no_takes(alone: Farm) -> None:
    film = render(alone, queue(alone, SHOTS))
    found = accept_exports(alone.store, alone.artifacts, film, [read_export("png")])
    job = queue_film(alone.store, alone.artifacts, found.accepted, uuid4().hex, take=found.take)  # type: ignore[arg-type]
    assert rendered(alone, render(alone, job)) == ["export"]
    assert job.parent == film.id and job.kept == (0, 1, 2, 3, 4)
    with pytest.raises(ConflictError, match="change its storyboard"):
        accept_take(alone.store, alone.artifacts, film, {}, sections=[0])
