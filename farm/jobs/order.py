"""What of a job may change after it was queued: who asks, and how it is served. None of it changes a pixel."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from .labels import Labels
from .request import ONE_LINE

YEARS = range(2000, 2200)
"""Of deadlines: what every clock and database can hold."""


def _utc(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise ValueError(f"should lie in the years {YEARS.start} to {YEARS.stop - 1}")
    return moment.astimezone(UTC)


class OrderChange(BaseModel):
    """Fields to change; those that are left out stay.

    ``priority``: 0 to 100, higher goes first. ``deadline``: with its time zone; the job goes before others of its
    priority while it is at risk; null removes it. ``mixing``: its sections may be rendered on several kinds of devices,
    which may show at seams and makes the video depend on the cluster. ``labels``: all that a node must have to work for
    it from now on; none of them lets every node.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"priority": 80}]})

    name: Annotated[str, Field(max_length=120), ONE_LINE] | None = None
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    deadline: Annotated[AwareDatetime, AfterValidator(_utc)] | None = None
    mixing: bool | None = None
    labels: Labels | None = None

    @property
    def values(self) -> dict[str, object]:
        """The fields that are to change."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
        return {name: value for name, value in found.items() if value is not None or name == "deadline"}
