"""Films: a storyboard with its pictures becomes one job, whose shots are rendered side by side."""

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel

from farm.errors import InputError, NotFoundError
from farm.films.storyboard import EXAMPLE, Storyboard
from farm.intake.films import pictures_of
from farm.jobs.submission import Submission

from .authority import Asking, owned
from .context import Farm
from .job_views import JobCreated
from .params import IdempotencyKey, JobId
from .plan_views import PlanView
from .submission import check_film, submit_film

router = APIRouter(tags=["films"])

StoryboardForm = Annotated[
    str,
    Form(
        description="JSON: `shots`, each with `prompt`, `seconds`, `picture`, `end_picture` (names of files), "
        "`transition` (cut, flow, fade:0.5), `name` and request fields of its own; `every`: fields of all shots; "
        "`name`, `exports`, `priority` ...: of the film",
        examples=[EXAMPLE],
    ),
]
Pictures = Annotated[
    list[UploadFile] | None, File(description="The pictures that the storyboard names, by their file names")
]
Audio = Annotated[UploadFile | None, File(description="A sound track for the whole film")]


class FilmCheck(BaseModel):
    """What a film would be: the complete request of each video in it, the plan of all, and what its owner should know.
    Shots that flow into each other are one video."""

    requests: list[Submission]
    plan: PlanView
    notes: list[str]


class StoryboardView(BaseModel):
    """``files``: the artifacts of its job that hold what it names."""

    storyboard: dict[str, Any]
    files: dict[str, str]


@router.post("/films", status_code=201, summary="Queue a film")
def create_film(
    farm: Farm,
    caller: Asking,
    storyboard: StoryboardForm,
    pictures: Pictures = None,
    audio: Audio = None,
    idempotency_key: IdempotencyKey = None,
) -> JobCreated:
    """One job: shots are rendered side by side and stand one after the other. Sent again with a shot changed, all
    others are taken over from the job before and cost nothing."""
    wanted = _storyboard(storyboard)
    wanted = replace(wanted, whole=owned(caller, dict(wanted.whole)))
    film = check_film(farm, wanted, _files(pictures), audio.file.read() if audio else None)
    job = submit_film(farm, film, idempotency_key)
    farm.changed()
    return JobCreated.created(job, film.notes)


@router.post("/plan/film", summary="Check a film")
def check(farm: Farm, storyboard: StoryboardForm, pictures: Pictures = None, audio: Audio = None) -> FilmCheck:
    """Everything that `POST /films` would check and decide, without a job."""
    film = check_film(farm, _storyboard(storyboard), _files(pictures), audio.file.read() if audio else None)
    requests = [shot.accepted.submission for shot in film.shots]
    return FilmCheck(requests=requests, plan=PlanView.model_validate(film.plan), notes=list(film.notes))


@router.get("/jobs/{job_id}/storyboard", summary="Read what a film was made of")
def get_storyboard(farm: Farm, job_id: JobId) -> StoryboardView:
    """As it was sent, and where its files are; NotFoundError for a job that is no film."""
    job = farm.store.get_job(job_id)
    if not job.shots:
        raise NotFoundError(f"job {job_id} is no film; it has no storyboard.")
    return StoryboardView(storyboard=job.storyboard, files=pictures_of(job))


def _storyboard(text: str) -> Storyboard:
    try:
        written: Any = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"storyboard: not valid JSON ({error}); example: {EXAMPLE}") from None
    if not isinstance(written, dict):
        raise InputError(f"storyboard: expected a JSON object, got {type(written).__name__}; example: {EXAMPLE}")
    return Storyboard.of(written)


def _files(pictures: list[UploadFile] | None) -> dict[str, bytes]:
    """By their names, and by the last part of these, since browsers leave out folders."""
    found: dict[str, bytes] = {}
    for upload in pictures or ():
        name = upload.filename or ""
        found[name] = upload.file.read()
        found.setdefault(PurePosixPath(name).name, found[name])
    return found
