from hypothesis import given
from hypothesis import strategies as st

from model.pace import FASTEST, time_step


@given(st.floats(-1, 1), st.integers(1, 50))
def test_factors_are_balanced_and_bounded(bias: float, sections: int) -> None:
    factors = [time_step(bias, index, sections) for index in range(sections)]
    assert all(1 / FASTEST <= factor <= FASTEST for factor in factors)
    for one, other in zip(factors, reversed(factors), strict=True):
        assert abs(one * other - 1) < 1e-9
    assert factors == sorted(factors, reverse=bias < 0)


def test_no_bias_and_a_single_section_leave_time_alone() -> None:
    assert time_step(0.0, 3, 8) == 1.0
    assert time_step(1.0, 0, 1) == 1.0
