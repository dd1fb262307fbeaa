"""Requests in rows: read tolerantly, and what can't be read is its own job's trouble."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import UnreadableJobError
from farm.jobs import stored
from farm.jobs.request import RenderRequest
from farm.jobs.stored import REQUEST_VERSION, StoredRequest

REQUEST = RenderRequest(prompt="The puppet waves", steps=7)


def test_what_is_written_is_read() -> None:
    assert StoredRequest.of(REQUEST).request == REQUEST


def test_fields_that_came_later_have_their_defaults() -> None:
    fields = {name: value for name, value in StoredRequest.of(REQUEST).fields.items() if name != "sampler"}
    assert StoredRequest(json.dumps(fields)).request == REQUEST


@pytest.mark.parametrize(
    ("text", "version", "message"),
    [
        (json.dumps({**StoredRequest.of(REQUEST).fields, "hologram": 1}), 1, "hologram is unknown to this version"),
        (json.dumps({"prompt": "x", "steps": 999}), 1, "steps is "),
        ("{}", REQUEST_VERSION + 1, "of version"),
        ("no JSON", 1, "prompt is "),
        ("[1]", 1, "prompt is "),
    ],
)
def test_what_is_not_understood_is_named(text: str, version: int, message: str) -> None:
    found = StoredRequest(text, version)
    with pytest.raises(UnreadableJobError, match=message):
        _ = found.request


def test_an_earlier_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "REQUEST_VERSION", 3)
    monkeypatch.setattr(
        stored,
        "UPGRADES",
        {
            1: lambda fields: {("prompt" if name == "text" else name): value for name, value in fields.items()},
            2: lambda fields: {**fields, "steps": fields["steps"] * 2},
        },
    )
    assert StoredRequest('{"text": "x", "steps": 4}', 1).request.steps == 8
    assert StoredRequest('{"prompt": "x", "steps": 4}', 2).request.prompt == "x"


@given(st.text(max_size=50), st.integers(-3, 9))
def test_nothing_that_is_written_there_raises_anything_else(text: str, version: int) -> None:
    with suppress(UnreadableJobError):
        _ = StoredRequest(text, max(1, version)).request


def test_what_a_request_of_version_1_said_of_its_order_is_left_to_the_order() -> None:
    old = {**StoredRequest.of(REQUEST).fields, "owner": "ann", "mp4_crf": 3, "exporter": "png", "labels": ["a"]}
    assert StoredRequest(json.dumps(old), 1).request == REQUEST
    with pytest.raises(UnreadableJobError, match="owner is unknown"):
        _ = StoredRequest(json.dumps(old), 2).request
