"""What a job's model needs of a device is known when the job is queued."""

from dataclasses import replace
from pathlib import Path

import pytest

from farm.errors import FarmError
from farm.intake.needs import GB, LARGE, least_card, needs_of
from farm.intake.queue import queue_job
from farm.intake.request import accept
from farm.jobs.assets import model_asset
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from model.checkpoint import Part
from model.facts import family_facts
from model.families import checkpoint
from model.footage.media import Media
from model.memory import footprint, plan_memory
from tests.support.api import picture
from tests.support.machine import here

RELEASED_13B = footprint("framepack")


def test_the_least_card_is_the_first_on_which_a_plan_fits() -> None:
    least = least_card(RELEASED_13B)
    assert 3 < least < 6 and plan_memory(RELEASED_13B, least, 1000, preserve=0).name == "streamed-fp8"
    with pytest.raises(FarmError, match="does not fit"):
        plan_memory(RELEASED_13B, least - 0.2, 1000, preserve=0)


def test_a_small_model_is_held_whole_and_a_large_one_by_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    small = checkpoint("puppet", here())
    weights = sum(part.weight_bytes for part in small.parts.values())
    assert needs_of(small) == {"card": weights, "host": weights} and 0 < weights < LARGE
    part = next(iter(small.parts.values()))
    large = replace(small, parts={"transformer": part}, family={**family_facts("framepack")})
    monkeypatch.setattr(Part, "weight_bytes", 41 * GB)
    assert needs_of(large) == {"card": round(least_card(RELEASED_13B) * GB), "host": 43 * GB}


def test_they_are_written_with_the_job(tmp_path: Path) -> None:
    settings = Settings.for_home(tmp_path).ensure_home()
    store, media = JobStore(settings.database_url), Media(picture())
    store.migrate()
    accepted = accept({"prompt": "p", "total_second_length": 1.2, "labels": ["studio"]}, media)
    queue_job(store, open_store(settings), accepted, media, "j")
    (queued,) = store.queued(["j"])
    assert queued.assets == {model_asset("puppet", checkpoint("puppet", here()).sha256)}
    assert queued.needs == needs_of(checkpoint("puppet", here())) and list(queued.labels) == ["studio"]
    store.close()
