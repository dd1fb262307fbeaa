from typing import Any

import pytest
import torch
from torch import nn

from model.constants import constants_once
from model.teacache import TeaCache, tea_cache


class Block(nn.Module):
    """Adds one to the image tokens and counts its calls; its modulated input is the input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def norm1(self, hidden: torch.Tensor, emb: torch.Tensor) -> tuple[torch.Tensor]:
        return (hidden,)

    def forward(self, hidden: torch.Tensor, text: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls += 1
        return hidden + self.calls, text


def run(cache: TeaCache, value: float) -> float:
    hidden = torch.full((1, 2, 4), value)
    output, _ = cache(hidden, hidden, hidden, None, (hidden, hidden))
    return float(output[0, 0, 0])


def computed(changes: list[float], threshold: float, polynomial: tuple[float, ...] = (1.0, 0.0)) -> list[bool]:
    """Which steps run the blocks when the signal changes by these relative amounts."""
    cache = TeaCache(nn.ModuleList([Block()]), nn.ModuleList(), len(changes) + 1, threshold, polynomial)
    value = 1.0
    run(cache, value)
    for change in changes:
        value *= 1 + change
        run(cache, value)
    return cache.branches[""].computed


def test_blocks_run_again_when_the_summed_change_reaches_the_threshold() -> None:
    assert computed([0.06, 0.06, 0.06, 0.06, 0.06], 0.15) == [True, False, False, True, False, True]


def test_first_and_last_step_always_run() -> None:
    assert computed([0.0, 0.0, 0.0], 1.0) == [True, False, False, True]


def test_large_change_runs_at_once() -> None:
    assert computed([0.5, 0.5, 0.5], 0.15) == [True, True, True, True]


def test_polynomial_maps_the_change() -> None:
    """FramePack's fit gives at least 0.052 a step, so that 0.15 skips at most two steps in a row."""
    fit = (733.226126, -401.131952, 67.5869174, -3.149878, 0.0961237897)
    assert computed([0.0315] * 7, 0.15, fit) == [True, False, False, True, False, False, True, True]


def test_skipped_step_adds_the_last_residual() -> None:
    block = Block()
    cache = TeaCache(nn.ModuleList([block]), nn.ModuleList(), 4, 1.0, (1.0, 0.0))
    assert [run(cache, value) for value in (1.0, 1.1, 1.2, 1.3)] == pytest.approx([2.0, 2.1, 2.2, 3.3])
    assert block.calls == 2


def test_branches_of_cfg_do_not_mix() -> None:
    cache = TeaCache(nn.ModuleList([Block()]), nn.ModuleList(), 4, 0.15, (1.0, 0.0))
    for positive, negative in ((1.0, 100.0), (1.01, 200.0), (1.02, 400.0), (1.03, 800.0)):
        for cache.branch, value in (("positive", positive), ("negative", negative)):
            run(cache, value)
    assert cache.branches["positive"].computed == [True, False, False, True]
    assert cache.branches["negative"].computed == [True, True, True, True]


def test_cache_that_never_skips_is_bit_equal_to_none(scene: Any) -> None:
    assert scene.denoise(cache="tea", teacache_rel_l1_thresh=1e-9, cfg=2.0).equal(scene.denoise(cfg=2.0))


def test_cache_skips_blocks_and_stays_near(scene: Any) -> None:
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    plain = scene.denoise(steps=12)
    hook = scene.renderer._transformer.transformer_blocks[0].register_forward_pre_hook(count)
    cached = scene.denoise(steps=12, cache="tea", teacache_rel_l1_thresh=0.15)
    hook.remove()
    assert 2 <= calls < 12
    assert not cached.equal(plain)
    assert (cached - plain).abs().mean() < 0.1 * plain.abs().mean()


def test_transformer_gets_its_blocks_back_after_an_error(renderer: Any) -> None:
    transformer = renderer._transformer
    before = (transformer.transformer_blocks, transformer.single_transformer_blocks, transformer.rope)
    with pytest.raises(ZeroDivisionError), tea_cache(transformer, 4, 0.15), constants_once(transformer):
        raise ZeroDivisionError
    assert before == (transformer.transformer_blocks, transformer.single_transformer_blocks, transformer.rope)


def test_context_is_embedded_once_per_section(scene: Any) -> None:
    calls = {"clean_x_embedder": 0, "image_projection": 0, "rope": 0}
    hooks = []
    for name in calls:

        def count(*_: Any, name: str = name) -> None:
            calls[name] += 1

        hooks.append(getattr(scene.renderer._transformer, name).register_forward_pre_hook(count))
    scene.denoise(steps=5, cfg=2.0)
    for hook in hooks:
        hook.remove()
    assert calls == {"clean_x_embedder": 1, "image_projection": 1, "rope": 4}
