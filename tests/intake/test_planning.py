"""The plan of a request."""

import os
from pathlib import Path

import pytest

from farm.errors import InputError
from farm.intake.planning import plan_for
from farm.jobs.request import RenderRequest
from model.plan import make_plan
from tests.support.tiny import tiny_checkpoint


def request(**fields: object) -> RenderRequest:
    return RenderRequest.model_validate({"prompt": "a", "image_sha256": "0" * 64, **fields})


@pytest.fixture(autouse=True)
def puppet(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tiny_checkpoint(tmp_path_factory.getbasetemp() / "puppet")
    monkeypatch.setitem(os.environ, "FARM_PUPPET_PATH", str(path))
    return path


def test_plan_follows_the_request_and_the_familys_layout() -> None:
    plan = plan_for(request(total_second_length=5.0, order="endpoints", seed=3, exact_length=True))
    assert (plan.order, plan.output_frames, len(plan.sections)) == ("endpoints", 150, 5)
    assert (
        plan.digest()
        == make_plan(layout=plan.layout, order="endpoints", seconds=5.0, seed=3, prompt="a", exact_length=True).digest()
    )
    assert plan_for(request(total_second_length=5.0, order="endpoints", seed=3, exact_length=True)) is plan
    assert plan_for(request(total_second_length=5.0, order="endpoints", seed=4)).digest() != plan.digest()


def test_plan_of_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'puppet'"):
        plan_for(request(model_type="pupet"))


def test_tail_of_a_request_is_in_its_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path)))
    request = RenderRequest(prompt="p", image_sha256="0" * 64, order="inverted", total_second_length=6)
    auto, dropped, averaged = (plan_for(request.model_copy(update={"tail": t})) for t in ("auto", "td", "tc"))
    assert auto == dropped and auto.digest() == dropped.digest() != averaged.digest()
    assert str(averaged.layout) == "f1k1_x_tc_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_tc"
    assert averaged.sections[0].predecessors == (1, 2, 3, 4) and auto.sections[0].predecessors == (1,)
