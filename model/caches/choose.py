"""The step cache that a request names, ready for one section."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import nn

from farm.errors import InputError
from model.cache_kinds import find_cache
from model.choices import CACHES, no_calibration
from model.family import FamilyInfo, SamplingParams

from .base import StepCache
from .hooks import hook_cache
from .tea import tea_cache


def step_cache(transformer: nn.Module, params: SamplingParams, info: FamilyInfo) -> AbstractContextManager[StepCache]:
    """Prepare ``transformer`` for the section that is denoised inside the block; afterwards it is as before.

    Raises:
        InputError: no cache has that name, or MagCache lacks a calibration.
    """
    from diffusers import FirstBlockCacheConfig, MagCacheConfig, TaylorSeerCacheConfig

    name = info.cache if params.cache == "auto" else params.cache
    if name == "tea":
        return tea_cache(transformer, params.steps, params.teacache_rel_l1_thresh, info.teacache_polynomial)
    if name == "mag":
        ratios = params.magcache_ratios or info.magcache_ratios
        if not ratios:
            raise InputError(no_calibration(info.name))
        config = MagCacheConfig(
            threshold=params.magcache_threshold,
            max_skip_steps=params.magcache_max_consecutive_skips,
            retention_ratio=params.magcache_retention_ratio,
            num_inference_steps=params.steps,
            mag_ratios=list(ratios),
        )
        return hook_cache(transformer, config)
    if name == "first_block":
        return hook_cache(transformer, FirstBlockCacheConfig(threshold=params.first_block_threshold))
    if name == "taylor":
        return hook_cache(transformer, _taylor(params, TaylorSeerCacheConfig))
    if name not in CACHES:
        return find_cache(name).prepare(transformer, params, info)
    return _nothing()


def _taylor(params: SamplingParams, config: Any) -> Any:
    """The variant that keeps the model's output alone: of the 13B model's attention outputs it would be gigabytes.

    The last step is always computed, since its x0 is the result.
    """
    import torch

    return config(
        cache_interval=params.taylor_interval,
        disable_cache_before_step=3,
        disable_cache_after_step=params.steps - 1,
        max_order=1,
        taylor_factors_dtype=torch.float32,
        use_lite_mode=True,
    )


@contextmanager
def _nothing() -> Iterator[StepCache]:
    yield StepCache()
