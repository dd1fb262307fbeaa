"""Calibrating MagCache beside the definition: mean over tokens of |residual now| / |residual before|."""

from itertools import pairwise
from typing import Any

import pytest
import torch

from model.caches.calibration import calibrate_magcache
from model.caches.hooks import state_managers
from model.family import SamplingParams
from model.plan import make_plan


def test_ratios_are_those_of_the_blocks_residuals(scene: Any) -> None:
    plan = make_plan(layout=str(scene.renderer.info.layout), order="vanilla", seconds=1.2, seed=5, prompt=scene.prompt)
    transformer = scene.renderer.transformer
    inputs: list[torch.Tensor] = []
    norms: list[torch.Tensor] = []
    first = transformer.transformer_blocks[0].register_forward_pre_hook(lambda m, args: inputs.append(args[0]))
    last = transformer.single_transformer_blocks[-1].register_forward_hook(
        lambda m, args, output: norms.append((output[0] - inputs[-1]).norm(dim=-1))
    )
    try:
        params = SamplingParams(steps=5, cache="tea", cfg=3.0)
        ratios = calibrate_magcache(scene.renderer, plan, scene.conditioning, params, 3, lambda done: None)
    finally:
        first.remove()
        last.remove()
    assert len(norms) == len(ratios) == 5 and ratios[0] == 1.0
    expected = [float((now / before).mean()) for before, now in pairwise(norms)]
    assert list(ratios[1:]) == pytest.approx(expected, abs=1e-4)
    assert not transformer.is_cache_enabled and list(state_managers(transformer)) == []


def test_calibrated_cache_renders(scene: Any) -> None:
    plan = make_plan(layout=str(scene.renderer.info.layout), order="vanilla", seconds=2.4, seed=5, prompt=scene.prompt)
    done: list[int] = []
    ratios = calibrate_magcache(scene.renderer, plan, scene.conditioning, SamplingParams(steps=6), 2, done.append)
    assert done == [1, 2] and len(ratios) == 6
    assert torch.isfinite(scene.denoise(steps=6, cache="mag", magcache_ratios=ratios)).all()
    assert torch.isfinite(scene.denoise(steps=9, cache="mag", magcache_ratios=ratios)).all()
