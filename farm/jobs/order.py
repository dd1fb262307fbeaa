"""What of a job decides no pixel, so that changing it never renders anything again: who asks, when and where it runs,
the files that its video becomes."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from model.footage.media import AUDIO

from .exports import MAX_EXPORTS, Export
from .fields import ONE_LINE
from .labels import Labels

YEARS = range(2000, 2200)
"""Of deadlines: what every clock and database can hold."""
MAX_NAME = 120
MAX_BATCH = 500
"""Jobs that are queued together."""


def _utc(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise ValueError(f"should lie in the years {YEARS.start} to {YEARS.stop - 1}")
    return moment.astimezone(UTC)


Name = Annotated[str, Field(max_length=MAX_NAME), ONE_LINE]
Priority = Annotated[int, Field(ge=0, le=100)]
Deadline = Annotated[AwareDatetime, AfterValidator(_utc)]


class Full(BaseModel):
    """Fields of its request that a draft has lowered, as they are in full."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    resolution: int | None
    cache: str


class Terms(BaseModel):
    """Who asks, and how the job is served.

    ``batch``: what jobs have in common that were queued together. ``preset``: where values came from. ``priority``: 0
    to 100, higher goes first. ``deadline``: with its time zone; the job goes before others of its priority while it is
    at risk. ``mixing``: its sections may be rendered on several kinds of devices, which may show at seams and makes the
    video depend on the cluster. ``labels``: all that a node must have to work for it. ``full``: of a draft, what it is
    promoted to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: Name = ""
    preset: Annotated[str, Field(max_length=80), ONE_LINE] = "Default"
    owner: Annotated[str, Field(max_length=80), ONE_LINE] = "local"
    batch: Annotated[str, Field(max_length=80), ONE_LINE] = ""
    priority: Priority = 50
    deadline: Deadline | None = None
    mixing: bool = False
    labels: Labels = ()
    full: Full | None = None


class JobOrder(Terms):
    """The terms of a job, and what its video is exported as."""

    exports: Annotated[tuple[Export, ...], Field(min_length=1, max_length=MAX_EXPORTS)] = (Export(),)

    @property
    def export(self) -> Export:
        """The file that the job ends with."""
        return self.exports[0]

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of the sound track by the name of its artifact, if an export has one."""
        found = (export.audio_sha256 for export in self.exports)
        return next(({AUDIO: sha256} for sha256 in found if sha256), {})


class OrderChange(BaseModel):
    """Fields of an order to change; those that are left out stay. A ``deadline`` of null removes it, ``labels`` of []
    let every node work for it from now on."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"priority": 80}]})

    name: Name | None = None
    priority: Priority | None = None
    deadline: Deadline | None = None
    mixing: bool | None = None
    labels: Labels | None = None

    @property
    def values(self) -> dict[str, object]:
        """The fields that are to change."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
        return {name: value for name, value in found.items() if value is not None or name == "deadline"}
