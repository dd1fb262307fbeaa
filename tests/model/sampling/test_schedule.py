"""Numbers worked out by hand from the formulas, with a pocket calculator's precision."""

import math

import pytest
import torch

from model.sampling import MAX_SHIFT, flow_shift, flow_sigmas, guidance_of, timestep_of


def test_sigmas_are_those_of_the_reference() -> None:
    sigmas = flow_sigmas(25, 7.0)
    assert len(sigmas) == 26
    assert [round(s, 4) for s in sigmas[:4]] == [1.0, 0.9941, 0.9877, 0.9809]
    assert [round(s, 4) for s in sigmas[-5:]] == [0.5714, 0.4884, 0.3784, 0.2258, 0.0]


@pytest.mark.parametrize(
    ("steps", "index", "timestep"),
    [(38, 35, 374), (50, 35, 748), (62, 49, 652), (76, 70, 374), (86, 17, 964), (94, 91, 187)],
)
def test_timesteps_near_the_middle_of_two_are_rounded_as_by_the_reference(
    steps: int, index: int, timestep: int
) -> None:
    """All that doubles would round otherwise, of the official program's output at shift 7."""
    assert timestep_of(flow_sigmas(steps, 7.0)[index], torch.bfloat16) == timestep


@pytest.mark.parametrize(
    ("height", "width", "shift"), [(240, 416, 2.86), (288, 496, 3.69), (352, 624, 5.83), (480, 832, 7.0)]
)
def test_shift_of_nine_latent_frames_is_that_of_the_reference(height: int, width: int, shift: float) -> None:
    assert round(flow_shift(9 * (height // 16) * (width // 16)), 2) == shift


def test_shift_is_capped_from_8798_tokens_on() -> None:
    assert flow_shift(8797) < MAX_SHIFT == flow_shift(8798) == flow_shift(100_000)


def test_lower_mu_changes_nothing_at_640_but_the_exponent_does() -> None:
    """Raw mu is at least 2.73 there, 0.79 above the cap; of the known presets none lowers it by more than 0.45."""
    for height, width in ((416, 960), (480, 832), (640, 608)):
        raw = (1.15 - 0.5) / (4096 - 256) * (9 * (height // 16) * (width // 16) - 256) + 0.5
        assert raw > 2.73 and raw - 0.45 > math.log(MAX_SHIFT)
    assert flow_sigmas(25, 7.0, 1.25) != flow_sigmas(25, 7.0)


def test_exponent_keeps_the_ends_and_the_middle_and_moves_steps_outwards() -> None:
    plain, outward, inward = (flow_sigmas(24, 7.0, exponent) for exponent in (1.0, 1.25, 0.8))
    assert plain[0] == outward[0] == inward[0] == 1 and plain[-1] == outward[-1] == 0
    assert plain[12] == outward[12] == inward[12] == pytest.approx(0.875)
    assert outward[6] > plain[6] > inward[6]
    assert outward[-2] < plain[-2] < inward[-2]
    assert flow_sigmas(25, 7.0, 1.25)[-2] == pytest.approx(7 / (7 + 24**1.25)) == pytest.approx(0.1164, abs=1e-4)


def test_bf16_rounds_timestep_and_guidance_as_the_reference_does() -> None:
    sigma = flow_sigmas(25, 7.0)[1]
    assert 1000 * sigma == pytest.approx(994.1, abs=0.05)
    assert timestep_of(sigma, torch.bfloat16) == 996
    assert guidance_of(10.0, torch.bfloat16) == 9984
    assert timestep_of(sigma, torch.float32) == pytest.approx(1000 * sigma)
    assert guidance_of(10.0, torch.float32) == 10_000
