"""When a replica that shows no progress is taken for hung."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.jobs.records import TaskKind
from farm.scheduling.silence import LONGEST, SHORTEST, is_silent, longest_load, longest_silence

SECTION, EXPORT = TaskKind.SECTION, TaskKind.EXPORT


def test_between_two_steps_ten_steps_time_may_pass() -> None:
    assert longest_silence(SECTION, 1000, 25, 3) == 400
    assert not is_silent(SECTION, 1000, 25, 500, 0, True, 899, step=3)
    assert is_silent(SECTION, 1000, 25, 500, 0, True, 901, step=3)


def test_before_the_first_and_after_the_last_step_the_whole_counts() -> None:
    assert longest_silence(SECTION, 100, 25) == longest_silence(SECTION, 100, 25, 25) == 1000
    assert not is_silent(SECTION, 100, 25, None, 0, True, 999)
    assert not is_silent(SECTION, 100, 25, 500, 0, True, 1499, step=25)
    assert is_silent(SECTION, 100, 25, None, 0, True, 1001)


def test_quick_tasks_get_a_minute_and_no_task_more_than_half_an_hour() -> None:
    assert longest_silence(SECTION, 0.5, 4, 2) == 60
    assert longest_silence(SECTION, 1e6, 4, 2) == 1800
    assert longest_silence(EXPORT, 0.5, 0) == 300


@pytest.mark.parametrize("unknown", [0.0, -1.0, math.nan, math.inf])
def test_unknown_time_is_half_an_hour(unknown: float) -> None:
    assert longest_silence(SECTION, unknown, 25, 3) == longest_load(unknown) == 1800


def test_loading_a_model_comes_on_top_of_the_first_sign_only() -> None:
    assert not is_silent(SECTION, 10, 25, None, 0, False, 500, load_seconds=45)
    assert is_silent(SECTION, 10, 25, None, 0, False, 551, load_seconds=45)
    assert is_silent(SECTION, 10, 25, 100, 0, False, 161)


def test_sign_that_an_earlier_attempt_showed_does_not_count() -> None:
    assert not is_silent(SECTION, 10, 25, 0, 100, True, 159)


@given(st.sampled_from(TaskKind), st.floats(allow_nan=True), st.integers(0, 100), st.none() | st.integers(0, 100))
def test_limits_hold_whatever_is_expected(kind: TaskKind, expected: float, steps: int, step: int | None) -> None:
    assert SHORTEST <= longest_silence(kind, expected, steps, step) <= LONGEST
