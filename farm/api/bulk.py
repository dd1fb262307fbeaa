"""Routes for many jobs at once, and for their places in the queue."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.errors import ConflictError, FarmError
from farm.jobs.bulk import FITTING, Action
from farm.jobs.order import OrderChange
from farm.jobs.records import Job

from .authority import Asking, require_own
from .context import Farm, FarmContext
from .job_views import JobView
from .params import JobId

router = APIRouter(tags=["jobs"])

MOST_JOBS = 1000
OneJob = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class ActionForm(BaseModel):
    """``change``: what changes, for the action of that name. ``check``: say what would be done, and do nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"action": "pause", "ids": ["3f2a"]}]})

    action: Action
    ids: Annotated[list[OneJob], Field(min_length=1, max_length=MOST_JOBS)]
    change: OrderChange = OrderChange()
    check: bool = False


class Refused(BaseModel):
    """A job to which it was not done, and why."""

    id: str
    message: str


class ActionDone(BaseModel):
    """What became of each job."""

    done: list[str]
    refused: list[Refused]


class MoveForm(BaseModel):
    """``to``: `first`, `last`, or the id of the job that it goes before, which has the same owner."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "first"}]})

    to: OneJob


@router.post("/jobs/actions", summary="Do something to many jobs")
def act(farm: Farm, caller: Asking, form: ActionForm) -> ActionDone:
    """Each job on its own: what can't be done to one is told, and done to all others."""
    done, refused = [], []
    for job_id in dict.fromkeys(form.ids):
        try:
            job = farm.store.get_job(job_id)
            require_own(caller, job.owner)
            if form.check:
                _check(job, form.action)
            else:
                _act(farm, job_id, form)
            done.append(job_id)
        except FarmError as error:
            refused.append(Refused(id=job_id, message=str(error)))
    if done and not form.check:
        farm.changed()
    return ActionDone(done=done, refused=refused)


@router.post("/jobs/{job_id}/move", summary="Move a job in the queue")
def move(farm: Farm, job_id: JobId, form: MoveForm) -> JobView:
    """Among its owner's; it takes on the priority of where it goes. Between owners the farm shares its time."""
    order = farm.outlook.order()
    ahead = order[: order.index(form.to)] if form.to in order else []
    job = farm.store.move_job(job_id, form.to, ahead)
    farm.changed()
    return JobView.of(job)


def _check(job: Job, action: Action) -> None:
    if job.state not in FITTING[action]:
        raise ConflictError(f"job {job.id} is {job.state}; {action} does not fit that.")


def _act(farm: FarmContext, job_id: str, form: ActionForm) -> None:
    match form.action:
        case Action.CANCEL:
            farm.store.cancel_job(job_id)
        case Action.PAUSE:
            farm.store.pause_job(job_id)
        case Action.RESUME:
            farm.store.resume_job(job_id)
        case Action.RETRY:
            farm.store.retry_job(job_id)
        case Action.CHANGE:
            farm.store.change_order(job_id, form.change)
        case Action.DELETE:
            farm.delete_job(job_id)
