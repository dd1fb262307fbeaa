"""Routes for single jobs and their files."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.responses import FileResponse

from farm.errors import DamagedArtifactError, FarmError, InputError, NotFoundError
from farm.intake.planning import plan_for
from farm.intake.unqueued import unqueued_of
from farm.jobs.order import OrderChange
from farm.jobs.records import Job, JobState
from model.footage.media import Media

from .authority import Asking, owned
from .context import Farm, FarmContext
from .detail_views import ArtifactView, AttemptView, JobCheck, JobDetail, TakeView, TaskView
from .filenames import filename_of
from .job_forms import ExportForm, TakeForm
from .job_views import JobCreated, JobView, OutlookView, shots_of
from .openapi import REQUEST_EXAMPLE
from .params import ArtifactName, IdempotencyKey, JobId, Section
from .places import places
from .plan_views import PlanView
from .rendered import newest_preview, rendered_sections
from .submission import check_job, submit_exports, submit_job, submit_promotion, submit_take

router = APIRouter(tags=["jobs"])

RequestForm = Annotated[
    str,
    Form(
        description="Request fields as JSON; what is absent comes from the preset. Seed -1, or none, draws one",
        examples=[json.dumps(REQUEST_EXAMPLE)],
    ),
]
Image = Annotated[UploadFile | None, File(description="The start image: PNG, JPEG, WebP, HEIC or AVIF")]
EndImage = Annotated[UploadFile | None, File(description="What the video leads to")]
Keyframes = Annotated[
    list[UploadFile] | None,
    File(description="Pictures on the way, one for each second in the field `keyframes`, in the same order"),
]
Video = Annotated[
    UploadFile | None, File(description="A video to extend at its `end` or `start`, as the field `extend` says")
]
Audio = Annotated[
    UploadFile | None, File(description="A sound track, heard as the fields `audio_...` say: WAV, FLAC, MP3, Ogg, M4A")
]


@router.post("/jobs", status_code=201, summary="Queue a job")
def create_job(
    farm: Farm,
    caller: Asking,
    request: RequestForm,
    image: Image = None,
    end_image: EndImage = None,
    keyframes: Keyframes = None,
    video: Video = None,
    audio: Audio = None,
    idempotency_key: IdempotencyKey = None,
) -> JobCreated:
    """The fields are those of `request` in the answer; unknown ones are refused. All files take at most 100 MB.

    `notes` say what you should know before it is rendered, such as how much of a picture is cut off; `POST /plan` says
    the same without queueing anything.
    """
    media = _media(image, end_image, keyframes, video, audio)
    job, accepted = submit_job(farm, owned(caller, _fields(request)), media, idempotency_key)
    farm.changed()
    return JobCreated.created(job, accepted.notes)


@router.post("/jobs/{job_id}/takes", status_code=201, summary="Render sections again")
def create_take(farm: Farm, caller: Asking, job_id: JobId, take: TakeForm) -> JobCreated:
    """A new job that renders some sections of this one again, with another seed or what `changes` say, and keeps all
    others as they are. What would change the number of sections, or what they see of each other, is refused."""
    if "owner" in take.changes:
        owned(caller, dict(take.changes))
    job, accepted = submit_take(farm, farm.store.get_job(job_id), take)
    farm.changed()
    return JobCreated.created(job, accepted.notes)


@router.post("/jobs/{job_id}/promote", status_code=201, summary="Render a draft in full")
def promote(farm: Farm, job_id: JobId) -> JobCreated:
    """A new job, a take of this one: the same video with the steps, resolution and cache that the draft lowered."""
    job, accepted = submit_promotion(farm, farm.store.get_job(job_id))
    farm.changed()
    return JobCreated.created(job, accepted.notes)


@router.post("/jobs/{job_id}/exports", status_code=201, summary="Export a rendered job once more")
def create_exports(farm: Farm, job_id: JobId, form: ExportForm) -> JobCreated:
    """A new job that takes over all that this one has rendered and writes other files: nothing is rendered, at most
    decoded again. Works for a job that failed at its export, too. `notes` say what is left out, such as sound."""
    job, accepted = submit_exports(farm, farm.store.get_job(job_id), form)
    farm.changed()
    return JobCreated.created(job, accepted.notes)


@router.post("/plan", summary="Check a job")
def check(
    farm: Farm,
    request: RequestForm,
    image: Image = None,
    end_image: EndImage = None,
    keyframes: Keyframes = None,
    video: Video = None,
    audio: Audio = None,
) -> JobCheck:
    """Everything that `POST /jobs` would check and decide, without a job: the complete request, its plan, notes, and
    when it would be done if it were queued now."""
    accepted = check_job(farm, _fields(request), _media(image, end_image, keyframes, video, audio))
    outlook = OutlookView.model_validate(farm.outlook.of_new(unqueued_of(accepted)))
    notes = list(accepted.notes)
    return JobCheck(request=accepted.submission, plan=PlanView.of(accepted.plan), notes=notes, outlook=outlook)


@router.get("/jobs/{job_id}", summary="Show a job")
def get_job(farm: Farm, job_id: JobId) -> JobDetail:
    """The job with its tasks, attempts, files, plan, and how each finished section was made."""
    job = farm.store.get_job(job_id)
    artifacts, attempts = farm.store.artifacts(job_id), farm.store.attempts(job_id)
    tasks = farm.store.tasks(job_id)
    why = farm.outlook.of_tasks(job, tasks)
    family = farm.store.family(job_id)
    place = places(farm.store)
    return JobDetail(
        job=JobView.of(job, farm.outlook.of_job(job)),
        tasks=[TaskView.of(task, why.get(task.name, "")) for task in tasks],
        attempts=[AttemptView.of(attempt, place(attempt.replica)) for attempt in attempts],
        artifacts=[ArtifactView.of(job, artifact) for artifact in artifacts.values()],
        plan=_plan(farm, job),
        rendered=rendered_sections(farm, attempts, artifacts),
        takes=[JobView.of(take) for take in family if take.parent == job_id],
        tree=[TakeView.model_validate(take) for take in family],
        shots=shots_of(job),
    )


@router.patch("/jobs/{job_id}", summary="Change a job")
def change_job(farm: Farm, job_id: JobId, change: OrderChange) -> JobView:
    """Name, priority, deadline, or whether several kinds of devices may render it. Nothing is rendered again."""
    return _changed(farm, farm.store.change_order(job_id, change))


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete a job")
def delete_job(farm: Farm, job_id: JobId) -> Response:
    """Removes an ended job and its files."""
    farm.delete_job(job_id)
    return Response(status_code=204)


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job")
def cancel_job(farm: Farm, job_id: JobId) -> JobView:
    """Stops it at the next denoising step. Finished sections are kept."""
    return _changed(farm, farm.store.cancel_job(job_id))


@router.post("/jobs/{job_id}/pause", summary="Pause a job")
def pause_job(farm: Farm, job_id: JobId) -> JobView:
    """Starts no more sections; those being rendered are finished."""
    return _changed(farm, farm.store.pause_job(job_id))


@router.post("/jobs/{job_id}/resume", summary="Resume a paused job")
def resume_job(farm: Farm, job_id: JobId) -> JobView:
    return _changed(farm, farm.store.resume_job(job_id))


@router.post("/jobs/{job_id}/retry", summary="Retry a failed or cancelled job")
def retry_job(farm: Farm, job_id: JobId) -> JobView:
    """Finished sections are kept; the failed ones get a new chance."""
    return _changed(farm, farm.store.retry_job(job_id))


@router.get("/jobs/{job_id}/artifacts/{name}", summary="Fetch a file of a job", response_class=FileResponse)
def get_artifact(farm: Farm, job_id: JobId, name: ArtifactName) -> Response:
    """`video`, `contact_sheet`, `image`, `manifest` ...; range requests are answered.

    A file that is damaged or gone is not served: the farm makes it again, and answers 503 until it has.
    """
    job = farm.store.get_job(job_id)
    artifacts = farm.store.artifacts(job_id)
    artifact = artifacts.get(name)
    if artifact is None:
        raise NotFoundError(
            f"job {job_id} ({job.state}) has no {name!r}; it has: {', '.join(sorted(artifacts)) or 'none'}"
        )
    try:
        path = farm.artifacts.whole(artifact)
    except DamagedArtifactError as error:
        raise _made_again(farm, job, error) from None
    filename = filename_of(job, artifact)
    return FileResponse(path, media_type=artifact.media_type, filename=filename, content_disposition_type="inline")


@router.get("/jobs/{job_id}/sections/{section}/preview", summary="Look at a section", response_class=Response)
def get_preview(farm: Farm, job_id: JobId, section: Section) -> Response:
    """A small JPEG: latent frames side by side, roughly coloured; while it renders, as far as it is denoised."""
    return Response(
        newest_preview(farm, job_id, section), media_type="image/jpeg", headers={"Cache-Control": "no-store"}
    )


def _plan(farm: FarmContext, job: Job) -> PlanView | None:
    """From its row; made anew for a job that an early version queued, if its model is at hand."""
    if job.plan:
        return PlanView.model_validate(job.plan)
    try:
        return PlanView.of(plan_for(job.request, settings=farm.settings.model))
    except FarmError:
        return None


def _made_again(farm: Farm, job: Job, damage: DamagedArtifactError) -> FarmError:
    """Have a damaged or missing file made again; gives the answer for now."""
    if not farm.store.remake(job.id, damage.artifact, str(damage)):
        return NotFoundError(f"{damage} It can't be made again; submit the job once more.")
    farm.changed()
    going = "once the job goes on" if job.state in (JobState.PAUSED, JobState.FAILED, JobState.CANCELLED) else "now"
    return DamagedArtifactError(f"{damage} It is made again {going}; ask for it later.")


def _changed(farm: Farm, job: Job) -> JobView:
    farm.changed()
    return JobView.of(job)


def _media(
    image: UploadFile | None,
    end_image: UploadFile | None,
    keyframes: list[UploadFile] | None,
    video: UploadFile | None,
    audio: UploadFile | None,
) -> Media:
    return Media(
        image=_bytes(image),
        end_image=_bytes(end_image),
        keyframes=tuple(upload.file.read() for upload in keyframes or ()),
        video=_bytes(video),
        audio=_bytes(audio),
    )


def _bytes(upload: UploadFile | None) -> bytes | None:
    return None if upload is None else upload.file.read()


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"request: not valid JSON ({error}); example: {json.dumps(REQUEST_EXAMPLE)}") from None
    if not isinstance(fields, dict):
        raise InputError(
            f"request: expected a JSON object, got {type(fields).__name__}; example: {json.dumps(REQUEST_EXAMPLE)}"
        )
    return fields
