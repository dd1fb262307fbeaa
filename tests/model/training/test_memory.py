"""Memory plans of trainings: what fits where, and what is said when nothing does."""

import pytest

from farm.errors import FarmError, InputError
from model.memory import Footprint
from model.training.memory import Shape, plan_training, small_plan, working_memory

FOOTPRINT = Footprint(
    hot=9.07, ahead=3.80, block=0.34, text=7.63, image=0.43, vae=0.25, outside=0.4, activations=2.35, decoding=21.0,
    tile=2.8,
)  # fmt: skip
SHAPE = Shape(blocks=60, width=3072, tokens=18_900, rank=16)
"""Of FramePack at 608x640."""


def test_cards_get_the_exact_plan_that_they_hold_with_as_few_blocks_on_the_host_as_need_be() -> None:
    plans = {card: plan_training(FOOTPRINT, SHAPE, card, 64) for card in (80, 48, 36, 32, 24)}
    assert [plan.name for plan in plans.values()] == ["resident", "resident", *["streamed"] * 3]
    assert 0 < plans[36].swapped < plans[32].swapped < plans[24].swapped < 60
    assert all(plan.card <= card - 1 for card, plan in plans.items())


def test_a_host_without_room_gets_8_bits() -> None:
    assert plan_training(FOOTPRINT, SHAPE, 32, 5).name == "fp8"
    assert plan_training(FOOTPRINT, SHAPE, 24, 12).name == "streamed-fp8"


def test_without_checkpointing_the_released_model_fits_no_card() -> None:
    assert working_memory(SHAPE, True) == pytest.approx(11.1, abs=0.1)
    with pytest.raises(FarmError, match=r"smallest plan needs .* Try checkpointing = true"):
        plan_training(FOOTPRINT, SHAPE, 80, 64, checkpointing=False)


def test_what_is_asked_for_is_done_or_refused() -> None:
    assert plan_training(FOOTPRINT, SHAPE, 80, 64, name="fp8").name == "fp8"
    with pytest.raises(FarmError, match=r"this card offers 23\.0 GB"):
        plan_training(FOOTPRINT, SHAPE, 24, 64, name="resident")
    with pytest.raises(InputError, match="Did you mean 'streamed'"):
        small_plan("streamd", 60)
    assert small_plan("auto", 60).swapped == 0 and small_plan("streamed", 60).swapped == 60
