"""What people set for owners. One place for the ranges."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LEAST_WEIGHT, MOST_WEIGHT = 0.01, 1000.0
MOST_TASKS = 100_000


class OwnerChange(BaseModel):
    """Settings to change; those that are left out stay.

    ``weight``: of the owner's share of the farm, against others'; ``limit``: most tasks at a time, null for no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"weight": 2, "limit": 4}]})

    weight: Annotated[float, Field(ge=LEAST_WEIGHT, le=MOST_WEIGHT, allow_inf_nan=False)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The settings that are to change."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in found.items() if value is not None or name == "limit"}
