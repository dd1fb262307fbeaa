"""What is sent for another go at a job."""

from typing import Annotated, Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

MAX_SECTIONS = 10_000

SectionNumber = Annotated[int, Field(ge=0, lt=100_000)]


class TakeForm(BaseModel):
    """Another go at ``sections`` and what depends on them, or at all ``from_section`` on; ``changes`` are request
    fields that differ. Sections count from 0."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"from_section": 0}]})

    sections: Annotated[list[SectionNumber], Field(max_length=MAX_SECTIONS)] | None = None
    from_section: SectionNumber | None = None
    changes: dict[str, Any] = {}


class ExportForm(BaseModel):
    """Other files that a rendered job is to become, each as ``EXPORTER`` or ``EXPORTER:OPTION=VALUE,...`` or an object;
    what one does not say is as in the job's first export. ``audio``: a sound track in base64, in place of the job's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"exports": ["webm:crf=30"]}]})

    exports: Annotated[list[Annotated[str, Field(max_length=2000)] | dict[str, Any]], Field(min_length=1, max_length=8)]
    audio: Base64Bytes | None = None
