import math

import pytest
import torch

from farm.errors import CancelledError
from model.sampling import MAX_SHIFT, SAMPLERS, _unipc_step, euler, flow_shift, flow_sigmas, unipc


def ignore(done: int, steps: int) -> None:
    pass


def test_sigmas_are_those_of_the_reference() -> None:
    sigmas = flow_sigmas(25, 7.0)
    assert len(sigmas) == 26
    assert [round(s, 4) for s in sigmas[:4]] == [1.0, 0.9941, 0.9877, 0.9809]
    assert [round(s, 4) for s in sigmas[-5:]] == [0.5714, 0.4884, 0.3784, 0.2258, 0.0]


@pytest.mark.parametrize(
    ("height", "width", "shift"), [(240, 416, 2.86), (288, 496, 3.69), (352, 624, 5.83), (480, 832, 7.0)]
)
def test_shift_of_nine_latent_frames_is_that_of_the_reference(height: int, width: int, shift: float) -> None:
    assert round(flow_shift(9 * (height // 16) * (width // 16)), 2) == shift


def test_shift_is_capped_from_8798_tokens_on() -> None:
    assert flow_shift(8797) < MAX_SHIFT == flow_shift(8798) == flow_shift(100_000)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 25])
def test_samplers_call_the_model_once_a_step_and_return_its_last_x0(name: str, steps: int) -> None:
    sigmas = flow_sigmas(steps, 3.0)
    seen: list[float] = []
    given: list[torch.Tensor] = []
    progress: list[tuple[int, int]] = []

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append(sigma)
        given.append(0.5 * x + sigma)
        return given[-1]

    result = SAMPLERS[name](model, torch.ones(1, 2), sigmas, lambda done, total: progress.append((done, total)))
    assert seen == sigmas[:-1]
    assert result is given[-1]
    assert progress == [(i + 1, steps) for i in range(steps)]


def test_unipc_corrector_is_exact_where_x0_is_a_cubic_of_log_sigma() -> None:
    """With three known points and the new one it integrates dx = (x - x0) dln(sigma) without error."""

    def x0(log_sigma: float) -> float:
        return 0.3 + 0.7 * log_sigma - 0.4 * log_sigma**2 + 0.2 * log_sigma**3

    def tensor(value: float) -> torch.Tensor:
        return torch.tensor([value], dtype=torch.float64)

    sigmas = [0.95, 0.8, 0.6, 0.35]
    known = [(sigma, tensor(x0(math.log(sigma)))) for sigma in sigmas[:3]]
    x, _ = _unipc_step(lambda x, sigma: tensor(x0(math.log(sigma))), tensor(1.25), known, sigmas[3])

    a, b, pieces = math.log(sigmas[3]), math.log(sigmas[2]), 2000
    width = (b - a) / pieces
    points = [a + (i + 0.5) * width for i in range(pieces)]
    integral = sum(x0(point) * math.exp(-point) for point in points) * width
    assert x.item() == pytest.approx(sigmas[3] / sigmas[2] * 1.25 + sigmas[3] * integral, abs=1e-7)


def _error(sampler: str, steps: int) -> float:
    """Distance from the exact x0 at sigma 0.2, for normally distributed data."""
    mean, deviation = 0.4, 0.5

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        keep = 1 - sigma
        variance = keep**2 * deviation**2 + sigma**2
        return mean + keep * deviation**2 / variance * (x - keep * mean)

    sigmas = [0.2 ** (i / (steps - 1)) for i in range(steps)] + [0.0]
    noise = torch.tensor([-1.5, 0.2, 2.0], dtype=torch.float64)
    keep = 1 - sigmas[-2]
    exact = keep * mean + math.sqrt(keep**2 * deviation**2 + sigmas[-2] ** 2) * noise
    result = SAMPLERS[sampler](model, noise, sigmas, ignore)
    return float((result - model(exact, sigmas[-2])).abs().max())


def test_unipc_is_of_third_order_and_beats_euler() -> None:
    assert _error("unipc", 10) < _error("euler", 10) / 100
    assert _error("unipc", 40) / _error("unipc", 80) > 7
    assert 1.5 < _error("euler", 40) / _error("euler", 80) < 2.5


def test_sampling_ends_at_the_step_where_on_step_raises() -> None:
    calls = []

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        calls.append(sigma)
        return x

    def stop(done: int, steps: int) -> None:
        if done == 3:
            raise CancelledError("stop")

    for sampler in (unipc, euler):
        calls.clear()
        with pytest.raises(CancelledError):
            sampler(model, torch.ones(1), flow_sigmas(10, 2.0), stop)
        assert len(calls) == 3
