"""`order = "auto"`: which order is chosen, and what is said about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from farm.errors import InputError
from farm.intake.orders import Capacity, Chosen, choose, choose_plan, chosen_order, is_auto, seconds_left
from farm.intake.request import accept
from farm.jobs.request import RenderRequest
from model.families import describe
from model.plan import Plan, make_plan
from tests.support.api import picture
from tests.support.machine import here

ASKED = {"prompt": "The puppet waves", "total_second_length": 20, "seed": 3}


def request(**fields: object) -> RenderRequest:
    return RenderRequest.model_validate({**ASKED, "image_sha256": "a" * 64, **fields})


def on(devices: int, left: float | None = None, rate: float | None = None, **fields: object) -> Chosen:
    return chosen_order(request(**fields), describe("puppet", here()), Capacity(devices, rate), left)


def test_on_one_device_no_order_is_faster_and_the_one_that_drifts_least_is_taken() -> None:
    found = on(1)
    assert found.order == "inverted"
    assert found.why == (
        "order inverted: on one device it takes as long as 17 of its 17 sections; of orders about as fast it drifts "
        "least."
    )


def test_on_several_devices_the_video_is_spread_over_them() -> None:
    assert on(2).order == on(8).order == "bisect"
    assert "on 8 devices it takes as long as 5 of its 17 sections" in on(8).why
    assert on(8, total_second_length=1.2).order == "inverted"  # one section is one section


def test_a_deadline_takes_a_faster_order_where_the_best_is_late() -> None:
    plans = {"bisect": plan("bisect"), "fanout:4": plan("fanout:4")}
    assert choose(plans, 16, 10.0).order == "bisect"
    late = choose(plans, 16, 10.0, 45)
    assert late.order == "fanout:4" and "bisect would take about 50 s, and 45 s are left" in late.why
    assert choose(plans, 16, 10.0, 50).order == "bisect"
    never = choose(plans, 16, 10.0, -5)
    assert never.order == "fanout:4" and "0 s are left until the deadline; none is fast enough" in never.why


def test_measured_times_count() -> None:
    assert on(16, 100, rate=1e-3).order == "bisect"
    assert "would take about" in on(16, 5, rate=1e3).why


def test_a_model_that_knows_one_order_gets_that() -> None:
    family = replace(describe("puppet", here()), orders=("vanilla",))
    found = chosen_order(request(), family, Capacity(4))
    assert found.order == "vanilla" and found.why.endswith("the model knows no other.")


def test_where_no_order_fits_the_reason_is_told() -> None:
    def planned(order: str) -> Plan:
        raise InputError(f"{order} does not fit")

    with pytest.raises(InputError, match="bisect does not fit"):
        choose_plan(planned, describe("puppet", here()), Capacity())


def test_the_chosen_order_stands_in_the_request_and_its_reason_in_the_notes() -> None:
    accepted = accept({**ASKED, "order": " Auto "}, picture(), look=lambda family: Capacity(2))
    assert accepted.request.order == accepted.plan.order == "bisect"
    assert any(note.startswith("order bisect: on 2 devices") for note in accepted.notes)
    again = accept({**ASKED, "order": "bisect"}, picture())
    assert again.request.digest == accepted.request.digest and again.plan.digest() == accepted.plan.digest()


def test_auto_is_told_from_names() -> None:
    assert is_auto("AUTO ") and not is_auto("bisect") and not is_auto(None)
    now = datetime.now(UTC)
    assert seconds_left(None, now) is None and seconds_left(now + timedelta(minutes=1), now) == 60


def plan(order: str) -> Plan:
    return make_plan(layout=describe("puppet", here()).layout, order=order, seconds=20, seed=1, prompt="-")
