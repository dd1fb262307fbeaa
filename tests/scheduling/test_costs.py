"""What tasks cost: from sizes, and from what finished attempts took."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.jobs.records import TaskKind
from farm.scheduling.costs import LOAD_SECONDS, NEWEST, MeasuredCosts, SizeCosts
from farm.scheduling.view import Group, Needs, SeatView, TaskView

SECTION = TaskKind.SECTION


def task(work: float = 100.0, family: str = "framepack", kind: TaskKind = SECTION) -> TaskView:
    return TaskView("t", "j", kind, Needs(family), work=work)


def on(device_class: str = "H100", speed: float = 1.0, *models: str) -> Group:
    return Group.of(SeatView("s", device_class=device_class, speed=speed, models=frozenset(models)))


def measured(seconds: float, times: int, device_class: str = "H100", work: float = 100.0) -> MeasuredCosts:
    costs = MeasuredCosts("H100")
    for _ in range(times):
        costs.observe(SECTION, "framepack", device_class, work, seconds)
    return costs


def test_before_anything_was_measured_the_size_over_the_speed_counts() -> None:
    costs = MeasuredCosts("H100")
    assert costs.run(task(), on("4090", 0.5)) == SizeCosts().run(task(), on("4090", 0.5)) == 200
    low, high = costs.range(task(), on("4090", 0.5))
    assert low < 200 < high


def test_few_measurements_are_blended_with_the_estimate_and_many_replace_it() -> None:
    seconds = [measured(400, times).run(task(), on()) for times in (0, 1, 3, 8, 30)]
    assert seconds == sorted(seconds)
    assert seconds[0] == pytest.approx(100)
    assert seconds[1] == pytest.approx(200)
    assert seconds[3] == seconds[4] == 400


def test_kinds_families_and_classes_are_told_apart() -> None:
    costs = measured(400, 8)
    assert costs.run(task(kind=TaskKind.DECODE), on()) == 100
    assert costs.run(task(family="puppet"), on()) == 100


def test_class_that_was_never_measured_takes_what_others_took_more_than_estimated() -> None:
    assert measured(300, 8).run(task(), on("4090", 0.5)) == pytest.approx(600)


def test_quantiles_tell_how_much_it_varies() -> None:
    costs = MeasuredCosts("H100")
    for seconds in range(90, 111):
        costs.observe(SECTION, "framepack", "H100", 1.0, seconds)
    assert costs.run(task(1.0), on()) == 100
    assert costs.range(task(1.0), on()) == pytest.approx((92, 108))


def test_old_measurements_are_forgotten() -> None:
    costs = measured(400, 100)
    for _ in range(NEWEST):
        costs.observe(SECTION, "framepack", "H100", 100, 50)
    assert costs.run(task(), on()) == 50
    assert len(costs.to_rows()) == NEWEST


def test_machine_that_slept_spoils_neither_the_middle_nor_the_range_for_long() -> None:
    costs = measured(100, 7)
    costs.observe(SECTION, "framepack", "H100", 100, 8 * 3600)
    assert costs.run(task(), on()) == 100
    assert costs.range(task(), on())[1] < 1000
    for _ in range(4):
        costs.observe(SECTION, "framepack", "H100", 100, 100)
    assert costs.range(task(), on()) == (100, 100)


def test_first_measurement_after_sleep_is_outvoted_by_the_second() -> None:
    costs = measured(8 * 3600, 1)
    costs.observe(SECTION, "framepack", "H100", 100, 100)
    assert costs.run(task(), on()) == pytest.approx(100)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_senseless_measurements_are_ignored(value: float) -> None:
    costs = MeasuredCosts("H100")
    costs.observe(SECTION, "framepack", "H100", 1.0, value)
    costs.observe(SECTION, "framepack", "H100", value, 1.0)
    costs.observe_load("framepack", "H100", value)
    assert costs.to_rows() == []


def test_loading_is_measured_per_family_and_class_and_guessed_from_other_classes() -> None:
    costs = MeasuredCosts("H100")
    for _ in range(8):
        costs.observe_load("framepack", "H100", 12)
    assert costs.load("framepack", on()) == 12
    assert costs.load("framepack", on("4090")) == 12
    assert costs.load("puppet", on()) == LOAD_SECONDS
    assert costs.load("framepack", on("H100", 1.0, "framepack")) == costs.load("", on()) == 0


def test_speed_is_relative_to_the_reference_class() -> None:
    costs = measured(300, 8)
    for _ in range(8):
        costs.observe(SECTION, "framepack", "4090", 100, 900)
    assert costs.speed_of("H100") == 1
    assert costs.speed_of("4090") == 0.33
    assert costs.speed_of("A100") == 1


def test_without_the_reference_class_speed_is_units_a_second() -> None:
    assert measured(1000, 8, "cpu").speed_of("cpu") == 0.1


def test_known_speed_holds_until_measured() -> None:
    costs = MeasuredCosts("H100", {"4090": 0.4})
    assert costs.speed_of("4090") == 0.4
    for _ in range(8):
        costs.observe(SECTION, "framepack", "4090", 100, 200)
    assert costs.speed_of("4090") == 0.5


def test_moving_costs_what_it_did() -> None:
    inputs = TaskView("t", "j", inputs_on=frozenset({"here"}))
    assert MeasuredCosts().move(inputs, "here") == 0
    assert MeasuredCosts().move(inputs, "there") == SizeCosts().move(inputs, "there") > 0


OBSERVATIONS = st.lists(
    st.tuples(
        st.sampled_from([TaskKind.SECTION, TaskKind.DECODE, None]),
        st.sampled_from(["H100", "4090", "cpu"]),
        st.floats(-1, 1e6),
        st.floats(allow_nan=True, allow_infinity=True),
    ),
    max_size=80,
)


@given(OBSERVATIONS, st.floats(0, 1e6))
def test_whatever_was_measured_costs_are_finite_and_in_range_and_survive_a_restart(
    observations: list[tuple[TaskKind | None, str, float, float]], work: float
) -> None:
    costs = MeasuredCosts("H100")
    for kind, device_class, size, seconds in observations:
        if kind is None:
            costs.observe_load("framepack", device_class, seconds)
        else:
            costs.observe(kind, "framepack", device_class, size, seconds)
    again = MeasuredCosts.from_rows(costs.to_rows(), "H100")
    for device_class in ("H100", "4090", "cpu", "other"):
        group = on(device_class, 0.5)
        low, high = costs.range(task(work), group)
        run = costs.run(task(work), group)
        assert 0 <= low <= run * 1.000001 and run <= high * 1.000001 and math.isfinite(run)
        assert 0 < costs.speed_of(device_class) < math.inf
        assert 0 < costs.load("framepack", group) < math.inf
        assert again.run(task(work), group) == pytest.approx(run)
        assert again.load("framepack", group) == costs.load("framepack", group)
