"""Caches in sections: what they skip, that branches and sections do not mix, and that nothing stays behind."""

from typing import Any

import pytest
import torch

from farm.errors import CancelledError, InputError
from model.caches.hooks import state_managers
from model.family import SamplingParams, Step

CACHES: dict[str, dict[str, Any]] = {
    "tea": {"teacache_rel_l1_thresh": 0.15},
    "mag": {"magcache_ratios": (1.0,) * 8},
    "first_block": {"first_block_threshold": 0.5},
    "taylor": {"taylor_interval": 2},
}
each = pytest.mark.parametrize("cache", CACHES)


def render(scene: Any, cache: str, steps: int = 8, **more: Any) -> tuple[torch.Tensor, dict[str, list[bool]]]:
    """A section's latents, and which steps were computed."""
    params = SamplingParams(**{"steps": steps, "cache": cache, **CACHES.get(cache, {}), **more})
    seen: list[Step] = []
    arguments = (scene.section(), {}, scene.conditioning, params)
    latents = scene.renderer.denoise(*arguments, lambda done, steps: None, seen.append)
    return latents, {name: list(steps) for name, steps in seen[-1].computed.items()}


@each
def test_cache_skips_steps_and_stays_near(scene: Any, cache: str) -> None:
    plain, _ = render(scene, "none")
    cached, computed = render(scene, cache)
    assert computed.keys() == {"positive"} and len(computed["positive"]) == 8
    assert computed["positive"][0] and 1 < sum(computed["positive"]) < 8
    assert not cached.equal(plain)
    assert (cached - plain).abs().mean() < 0.25 * plain.abs().mean()


@each
def test_record_tells_how_often_the_blocks_ran(scene: Any, cache: str) -> None:
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    inner = scene.renderer._transformer.single_transformer_blocks[-1].norm.norm
    hook = inner.register_forward_pre_hook(count)
    try:
        _, computed = render(scene, cache, cfg=2.0)
    finally:
        hook.remove()
    assert computed.keys() == {"positive", "negative"}
    assert calls == sum(map(sum, computed.values())) < 16


@each
def test_branches_do_not_mix(scene: Any, cache: str) -> None:
    """With the negative prompt that equals the positive one, CFG must change nothing, skipped or not."""
    key = "text", "mask", "pooled"
    prompt = next(name for name in scene.conditioning if name.startswith("text.") and "negative" not in name)[5:]
    same = {f"{kind}.negative": scene.conditioning[f"{kind}.{prompt}"] for kind in key}
    twin = type(scene)(scene.renderer, scene.picture, scene.prompt, scene.other_prompt, scene.conditioning | same)
    one, computed = render(twin, cache)
    two, both = render(twin, cache, cfg=3.0)
    assert both["positive"] == both["negative"] == computed["positive"]
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@each
def test_cancelled_section_leaves_no_trace(scene: Any, cache: str) -> None:
    before, plain = render(scene, cache, cfg=2.0)[0], render(scene, "none")[0]
    for last in (1, 3, 7):

        def stop(done: int, steps: int, last: int = last) -> None:
            if done == last:
                raise CancelledError("stop")

        params = SamplingParams(**{"steps": 8, "cache": cache, "cfg": 2.0, **CACHES[cache]})
        with pytest.raises(CancelledError):
            scene.renderer.denoise(scene.section(), {}, scene.conditioning, params, stop)
        assert render(scene, cache, cfg=2.0)[0].equal(before)
    assert render(scene, "none")[0].equal(plain)
    assert not scene.renderer._transformer.is_cache_enabled
    assert list(state_managers(scene.renderer._transformer)) == []


def test_last_step_of_taylor_is_computed(scene: Any) -> None:
    for steps in (1, 2, 5, 6, 9):
        _, computed = render(scene, "taylor", steps=steps, taylor_interval=5)
        assert computed["positive"][-1] and computed["positive"][:3] == [True] * min(3, steps)


def test_mag_follows_its_ratios_and_limits(scene: Any) -> None:
    assert render(scene, "mag")[1]["positive"] == [True, True, False, False, True, False, False, True]
    steady = {"magcache_max_consecutive_skips": 1, "magcache_retention_ratio": 0.5}
    assert render(scene, "mag", **steady)[1]["positive"] == [True] * 4 + [False, True, False, True]
    changing = {"magcache_ratios": (1.0, 0.8) * 4, "magcache_threshold": 0.05}
    assert render(scene, "mag", **changing)[1]["positive"] == [True, True, False, True, False, True, False, True]


def test_unknown_cache_is_refused(scene: Any) -> None:
    with pytest.raises(InputError, match=r"unknown cache 'teas'. Did you mean 'tea'"):
        scene.denoise(cache="teas")


def test_mag_without_calibration_is_refused(scene: Any) -> None:
    with pytest.raises(InputError, match=r"needs a calibration.*farm bench magcache"):
        scene.denoise(cache="mag")


def test_cache_without_skips_is_bit_equal_to_none(scene: Any) -> None:
    plain, computed = render(scene, "none", cfg=2.0)
    assert computed == {"positive": [True] * 8, "negative": [True] * 8}
    for cache, never in (
        ("tea", {"teacache_rel_l1_thresh": 1e-9}),
        ("mag", {"magcache_retention_ratio": 1.0}),
        ("first_block", {"first_block_threshold": 0.0}),
        ("taylor", {"taylor_interval": 1}),
    ):
        assert render(scene, cache, cfg=2.0, **never)[0].equal(plain), cache


def test_auto_is_what_the_family_recommends(scene: Any) -> None:
    assert scene.denoise(cache="auto").equal(scene.denoise(cache=scene.renderer.info.cache))
