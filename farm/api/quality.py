"""How good a job's video is, as far as it is decoded."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.jobs.quality import measured_sections
from farm.jobs.shots import shot_of
from model.quality.pieces import Measures
from model.quality.report import report

from .context import Farm
from .params import JobId

router = APIRouter(tags=["jobs"])


class SectionQualityView(BaseModel):
    """A section. `values`: by kind, beside `limits`; `wrong`: the kinds whose value is beyond its limit."""

    section: int
    values: dict[str, float]
    wrong: list[str]
    motion: Annotated[float, Field(description="Mean difference of two frames in a row, of 1")]
    clipped: Annotated[float, Field(description="Share of values that are black or white")]
    identity: Annotated[
        float | None, Field(description="Cosine of the section and the start image, -1 to 1; null: not measured")
    ]


class QualityView(BaseModel):
    """`drift`: between the first and the last 15% of the sections, empty for fewer than two."""

    sections: list[SectionQualityView]
    drift: dict[str, float]
    limits: dict[str, float]


@router.get("/jobs/{job_id}/quality", summary="Read how good a video is")
def get_quality(farm: Farm, job_id: JobId) -> QualityView:
    """Measured by pixels as sections were decoded: colours, sharpness, noise, stillness, flicker, and jumps between
    sections, each beside the first section, in a film that of its shot; no model judges. Where the farm measures
    identity, the family's image encoder also compares each section with the start image."""
    job, measured = farm.store.get_job(job_id), measured_sections(farm.store.attempts(job_id))
    parts = job.parts
    shots: list[dict[int, Measures]] = [{} for _ in parts]
    for section, pieces in measured.items():
        shots[shot_of(parts, section)][section] = pieces
    reports = [report(of_shot).to_json() for of_shot in shots]
    first = reports[0]
    sections = [section for each in reports for section in each["sections"]]
    return QualityView.model_validate({**first, "sections": sections, "drift": {} if job.shots else first["drift"]})
