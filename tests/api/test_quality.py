"""How good a video is, over HTTP."""

from dataclasses import replace

import pytest

from farm.client import FarmClient
from farm.errors import NotFoundError
from farm.work.reference import render_in_process
from model.quality.judging import KINDS
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 1}


def test_decoded_sections_are_measured(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), FIELDS)["id"]
    assert client.quality(job_id) == {"sections": [], "drift": {}, "limits": {k: v.limit for k, v in KINDS.items()}}
    render_in_process(farm.store, farm.artifacts, job_id)
    found = client.quality(job_id)
    assert [each["section"] for each in found["sections"]] == [0, 1]
    assert found["sections"][0]["values"]["tint"] == 0 and found["sections"][0]["values"]["blur"] == 1
    assert all(each["values"].keys() == KINDS.keys() for each in found["sections"]) and "tint" in found["drift"]
    assert all(each["identity"] is None for each in found["sections"]) and "identity" not in found["drift"]
    assert all("quality" not in attempt["facts"] for attempt in client.job(job_id)["attempts"])
    manifest = client.manifest(job_id) if hasattr(client, "manifest") else None
    assert manifest is None or manifest["sections"][0]["quality"]["sharpness"] > 0


def test_identity_is_told_where_it_is_measured(farm: LiveFarm, client: FarmClient):
    job_id = client.submit(picture(), {**FIELDS, "seed": 9})["id"]
    render_in_process(farm.store, farm.artifacts, job_id, settings=replace(farm.settings, identity=True))
    found = client.quality(job_id)
    assert all(-1 <= each["identity"] <= 1 and "identity" not in each["values"] for each in found["sections"])
    first, last = (each["identity"] for each in found["sections"])
    assert found["drift"]["identity"] == pytest.approx(last - first, abs=1e-5)


def test_quality_of_no_job_is_not_found(client: FarmClient):
    with pytest.raises(NotFoundError):
        client.quality("f" * 32)
