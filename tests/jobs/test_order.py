"""What may change after a job was queued."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from farm.jobs.order import OrderChange


def test_only_what_is_given_changes() -> None:
    assert OrderChange.model_validate({}).values == {}
    assert OrderChange.model_validate({"priority": 80}).values == {"priority": 80}
    assert OrderChange.model_validate({"deadline": None, "name": None}).values == {"deadline": None}


def test_a_deadline_is_kept_in_utc() -> None:
    found = OrderChange.model_validate({"deadline": "2026-12-01T08:00:00+02:00"})
    assert found.values == {"deadline": datetime(2026, 12, 1, 6, tzinfo=UTC)}


@pytest.mark.parametrize(
    "fields",
    [
        {"deadline": "2026-12-01T08:00:00"},
        {"deadline": "0001-01-01T00:00:00+23:00"},
        {"deadline": "9999-12-31T23:00:00-23:00"},
        {"priority": 101},
        {"name": "a\0b"},
        {"seed": 3},
    ],
)
def test_the_rest_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OrderChange.model_validate(fields)
