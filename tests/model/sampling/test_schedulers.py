import math

import pytest
import torch

from farm.errors import CancelledError
from model.choices import SAMPLERS as NAMES
from model.sampling import SAMPLERS, flow_sigmas


def ignore(done: int, steps: int) -> None:
    pass


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


def _error(sampler: str, steps: int) -> float:
    """Distance from the exact x0 at sigma 0.2, for normally distributed data."""
    mean, deviation = 0.4, 0.5

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        keep = 1 - sigma
        variance = keep**2 * deviation**2 + sigma**2
        return mean + keep * deviation**2 / variance * (x - keep * mean)

    sigmas = [0.2 ** (i / (steps - 1)) for i in range(steps)] + [0.0]
    noise = torch.tensor([[-1.5, 0.2, 2.0]], dtype=torch.float64)
    keep = 1 - sigmas[-2]
    exact = keep * mean + math.sqrt(keep**2 * deviation**2 + sigmas[-2] ** 2) * noise
    result = SAMPLERS[sampler](model, noise, sigmas, ignore)
    return float((result - model(exact, sigmas[-2])).abs().max())


@pytest.mark.parametrize("name", [name for name in SAMPLERS if "uler" not in name])
def test_higher_order_beats_euler(name: str) -> None:
    assert _error(name, 10) < _error("euler", 10) / 1.5
    assert _error(name, 40) < _error("euler", 40) / 10


def test_unipc_is_of_third_order_and_euler_of_first() -> None:
    for name in ("unipc", "unipc_bh2"):
        assert _error(name, 40) / _error(name, 80) > 7
    assert 1.5 < _error("euler", 40) / _error("euler", 80) < 2.5


def test_euler_is_that_of_diffusers() -> None:
    assert _error("FlowMatchEulerDiscreteScheduler", 10) == pytest.approx(_error("euler", 10), rel=1e-4)


def test_sampling_ends_at_the_step_where_on_step_raises() -> None:
    calls = []

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        calls.append(sigma)
        return x

    def stop(done: int, steps: int) -> None:
        if done == 3:
            raise CancelledError("stop")

    for sampler in SAMPLERS.values():
        calls.clear()
        with pytest.raises(CancelledError):
            sampler(model, torch.ones(1, 2), flow_sigmas(10, 2.0), stop)
        assert len(calls) == 3


def test_every_sampler_is_described() -> None:
    assert NAMES.keys() == SAMPLERS.keys()
