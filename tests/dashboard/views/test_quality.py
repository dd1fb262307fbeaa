"""Charts of quality on the Job page: one for each kind of fault, and one of identity where it is measured."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views.quality import TITLES
from farm.client import FarmClient
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 1}


@pytest.mark.parametrize("identity", [False, True])
def test_identity_has_a_chart_where_it_is_measured(
    show: Callable[..., AppTest], client: FarmClient, quiet: LiveFarm, identity: bool
):
    job_id = client.submit(picture(), {**FIELDS, "seed": int(identity)})["id"]
    settings = replace(quiet.settings, identity=identity)
    assert render_in_process(quiet.store, quiet.artifacts, job_id, settings=settings).state == "completed"
    shown = show("job", id=job_id)
    assert len(shown.get("vega_lite_chart")) == len(TITLES) + identity
    captions = [caption.value for caption in shown.caption]
    assert ("identity, beside the start image" in captions) == identity
    drift = next(caption for caption in captions if caption.startswith("Drift between"))
    assert ("identity" in drift) == identity
