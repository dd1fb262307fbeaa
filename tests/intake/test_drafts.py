"""What drafts are spared."""

import dataclasses

import pytest

from farm.intake.drafts import as_draft, draft_note
from farm.jobs.order import Full
from farm.jobs.request import RenderRequest
from model.families import describe
from tests.support.machine import here


@pytest.mark.parametrize(
    ("asked", "draft"),
    [
        ({}, {"steps": 10, "resolution": 320, "cache": "tea"}),
        ({"steps": 1, "resolution": 256, "cache": "mag"}, {"steps": 1, "resolution": 128, "cache": "mag"}),
        ({"steps": 8, "resolution": 128}, {"steps": 4, "resolution": 128, "cache": "tea"}),
    ],
)
def test_fewer_steps_half_the_size_and_a_cache(asked: dict[str, object], draft: dict[str, object]) -> None:
    family = dataclasses.replace(
        describe("puppet", here()), buckets=((640, 608),), resolutions=tuple(range(128, 769, 32)), cache="tea"
    )
    request = RenderRequest.model_validate({"prompt": "x", "seed": 7, **asked})
    lowered, full = as_draft(request, family)
    assert {name: getattr(lowered, name) for name in draft} == draft
    assert lowered.model_copy(update=full.model_dump()) == request


def test_its_owner_is_told() -> None:
    request = RenderRequest(prompt="x", steps=10, resolution=320)
    note = draft_note(request, Full(steps=25, resolution=None, cache="none"))
    assert note == (
        "a draft, with steps 10 instead of 25, resolution 320 instead of the model's own; "
        "promote it to render it in full."
    )
