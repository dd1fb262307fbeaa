"""Calibrating MagCache: how much the blocks' residual grows or shrinks from each step to the next."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from model.family import SamplingParams, Tensors
from model.plan.plan import Plan

from .hooks import state_managers


def calibrate_magcache(
    renderer: Any, plan: Plan, conditioning: Tensors, params: SamplingParams, sections: int, done: Callable[[int], None]
) -> tuple[float, ...]:
    """The mean ratios, one a step, over the first ``sections`` sections of a plan that can be rendered.

    Args:
        renderer: a ``FramePackRenderer``.
        plan, conditioning: of a job.
        params: with the steps to calibrate for; rendered without cache and without real CFG.
        sections: how many to render.
        done: called after each with how many there are.
    """
    plain = replace(params, cache="none", cfg=1.0)
    known = {0: conditioning["start_latent"][:, 0]}
    found: list[list[float]] = []
    for section in sorted(plan.sections, key=lambda section: section.level)[:sections]:
        context = {slot.latent: known[slot.latent] for slot in section.slots if slot.latent is not None}

        def render(section: Any = section, context: Any = context) -> Tensor:
            made: Tensor = renderer.denoise(section, context, conditioning, plain, lambda step, steps: None)
            return made

        made, ratios = _measured(renderer.transformer, plain.steps, render)
        known.update({section.start + i: made[:, i] for i in range(made.shape[1])})
        found.append(ratios)
        done(len(found))
    return tuple(round(sum(column) / len(found), 5) for column in zip(*found, strict=True))


def _measured(transformer: Any, steps: int, render: Callable[[], Tensor]) -> tuple[Tensor, list[float]]:
    """What ``render`` gives, and the ratios that diffusers' hooks saw in it."""
    from diffusers import MagCacheConfig
    from diffusers.hooks.hooks import CacheContext

    # one step more than there will be, since diffusers prints and forgets its ratios at the last
    transformer.enable_cache(MagCacheConfig(calibrate=True, num_inference_steps=steps + 1))
    try:
        states = next(state_managers(transformer))
        states.set_context(CacheContext("calibration"))
        made = render()
        return made, list(states.get_state().calibration_ratios)
    finally:
        transformer._reset_stateful_cache()
        transformer.disable_cache()
