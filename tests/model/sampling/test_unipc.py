"""UniPC beside numbers worked out by hand and beside diffusers' implementation, where that computes the same."""

import math
from typing import Any

import pytest
import torch
from diffusers import UniPCMultistepScheduler

from model.sampling import flow_sigmas
from model.sampling.unipc import unipc, unipc_step, unipc_weights


def ignore(done: int, steps: int) -> None:
    pass


def test_weights_of_order_two_are_those_worked_out_by_hand() -> None:
    """Sigmas 0.8, 0.4, 0.2: h = ln 2, r = -1, e**-h - 1 = -1/2, phi_1 = -0.278652, phi_2 = -0.097990."""
    predictor, corrector = unipc_weights(math.log(2), math.log(2), [-1.0])
    assert predictor == [0.5]
    assert corrector == pytest.approx([0.059635, 0.342375], abs=2e-6)
    assert unipc_weights(math.log(2), 0.5, [-1.0])[1] == pytest.approx([0.082672, 0.474632], abs=2e-6)


def test_weights_of_order_one_are_fixed() -> None:
    assert unipc_weights(0.3, 0.3, []) == ([], [0.5])


def test_corrector_is_exact_where_x0_is_a_cubic_of_log_sigma() -> None:
    """With three known points and the new one it integrates dx = (x - x0) dln(sigma) without error."""

    def x0(log_sigma: float) -> float:
        return 0.3 + 0.7 * log_sigma - 0.4 * log_sigma**2 + 0.2 * log_sigma**3

    def tensor(value: float) -> torch.Tensor:
        return torch.tensor([value], dtype=torch.float64)

    sigmas = [0.95, 0.8, 0.6, 0.35]
    known = [(sigma, tensor(x0(math.log(sigma)))) for sigma in sigmas[:3]]
    a, b, pieces = math.log(sigmas[3]), math.log(sigmas[2]), 2000
    width = (b - a) / pieces
    points = [a + (i + 0.5) * width for i in range(pieces)]
    integral = sum(x0(point) * math.exp(-point) for point in points) * width
    for variant in ("bh1", "bh2"):
        x, _ = unipc_step(lambda x, sigma: tensor(x0(math.log(sigma))), tensor(1.25), known, sigmas[3], variant)
        assert x.item() == pytest.approx(sigmas[3] / sigmas[2] * 1.25 + sigmas[3] * integral, abs=1e-7)


class LogSigmaScheduler(UniPCMultistepScheduler):  # type: ignore[misc]
    """diffusers' UniPC with FramePack's variable: ln(sigma) alone, where diffusers has ln(sigma / (1 - sigma))."""

    def _sigma_to_alpha_sigma_t(self, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ones_like(sigma), sigma


def visited(scheduler: Any, model: Any, x: torch.Tensor, sigmas: list[float]) -> list[torch.Tensor]:
    """The noisy latents at which diffusers' ``scheduler`` calls the model."""
    scheduler.set_timesteps(len(sigmas) - 1)
    scheduler.sigmas = torch.tensor(sigmas, dtype=torch.float64)
    scheduler.set_begin_index(0)
    found = [x]
    for i in range(len(sigmas) - 2):  # the step to sigma 0 is never taken
        x = scheduler.step(model(x, sigmas[i]), 1000 * sigmas[i], x).prev_sample
        found.append(x)
    return found


@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("steps", [4, 25])
def test_every_latent_equals_that_of_diffusers_with_the_same_variable(variant: str, steps: int) -> None:
    scheduler = LogSigmaScheduler(
        prediction_type="sample", use_flow_sigmas=True, solver_order=3, solver_type=variant, lower_order_final=False
    )
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(6, 6, generator=generator, dtype=torch.float64) / 3
    noise = torch.randn(1, 6, 2, generator=generator, dtype=torch.float64)
    seen: list[torch.Tensor] = []

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append(x)
        return torch.tanh(matrix @ x + sigma)

    sigmas = flow_sigmas(steps, 7.0)
    expected = visited(scheduler, model, noise, sigmas)
    seen.clear()
    result = unipc(model, noise, sigmas, ignore, variant=variant)
    assert len(seen) == len(expected) == steps
    for ours, theirs in zip(seen, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(result, torch.tanh(matrix @ expected[-1] + sigmas[-2]))


def test_bh2_of_order_one_equals_diffusers_as_it_is() -> None:
    """There the two variables give the same straight line, so that nothing of diffusers has to be replaced."""
    scheduler = UniPCMultistepScheduler(
        prediction_type="sample", use_flow_sigmas=True, solver_order=1, solver_type="bh2", lower_order_final=False
    )
    seen: list[torch.Tensor] = []

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append(x)
        return torch.tanh(2 * x + sigma)

    sigmas = [0.95, 0.8, 0.6, 0.3, 0.1, 0.0]
    noise = torch.linspace(-2, 2, 8, dtype=torch.float64)[None]
    expected = visited(scheduler, model, noise, sigmas)
    seen.clear()
    unipc(model, noise, sigmas, ignore, order=1, variant="bh2")
    for ours, theirs in zip(seen, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
