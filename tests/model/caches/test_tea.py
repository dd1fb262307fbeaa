from typing import Any

import pytest
import torch
from torch import nn

from model.caches.tea import CachedBlocks, TeaCache, tea_cache
from model.facts import family_facts

FRAMEPACK = tuple(family_facts("framepack")["teacache_polynomial"])


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


def run(blocks: CachedBlocks, value: float, branch: str = "") -> float:
    hidden = torch.full((1, 2, 4), value)
    with blocks.cache.branch(branch):
        output, _ = blocks(hidden, hidden, hidden, None, (hidden, hidden))
    return float(output[0, 0, 0])


def computed(changes: list[float], threshold: float, polynomial: tuple[float, ...] = (1.0, 0.0)) -> list[bool]:
    """Which steps run the blocks when the signal changes by these relative amounts."""
    blocks = CachedBlocks(TeaCache(len(changes) + 1, threshold, polynomial), [Block()])
    value = 1.0
    run(blocks, value)
    for change in changes:
        value *= 1 + change
        run(blocks, value)
    return blocks.cache.computed[""]


def test_blocks_run_again_when_the_summed_change_reaches_the_threshold() -> None:
    assert computed([0.06, 0.06, 0.06, 0.06, 0.06], 0.15) == [True, False, False, True, False, True]


def test_first_and_last_step_always_run() -> None:
    assert computed([0.0, 0.0, 0.0], 1.0) == [True, False, False, True]


def test_large_change_runs_at_once() -> None:
    assert computed([0.5, 0.5, 0.5], 0.15) == [True, True, True, True]


def test_polynomial_maps_the_change() -> None:
    """FramePack's fit gives 0.0521 at a change of 0.0315, its least: two skips in a row at 0.15, four at 0.25."""
    assert computed([0.0315] * 7, 0.15, FRAMEPACK) == [True, False, False, True, False, False, True, True]
    assert computed([0.0315] * 7, 0.25, FRAMEPACK) == [True, False, False, False, False, True, False, True]


def test_polynomial_is_that_of_the_reference_worked_out_by_hand() -> None:
    """P(0) = 0.096, P(0.15) = 0.162, P(0.25) = 0.129: it neither starts at 0 nor always rises."""
    for change, mapped in ((0.0, 0.0961), (0.15, 0.1617), (0.25, 0.1293)):
        assert computed([change, change], mapped + 2e-4, FRAMEPACK)[1] is False
        assert computed([change, change], mapped - 2e-4, FRAMEPACK)[1] is True


def test_skipped_step_adds_the_last_residual() -> None:
    block = Block()
    blocks = CachedBlocks(TeaCache(4, 1.0, (1.0, 0.0)), [block])
    assert [run(blocks, value) for value in (1.0, 1.1, 1.2, 1.3)] == pytest.approx([2.0, 2.1, 2.2, 3.3])
    assert block.calls == 2


def test_branches_of_cfg_do_not_mix() -> None:
    blocks = CachedBlocks(TeaCache(4, 0.15, (1.0, 0.0)), [Block()])
    for positive, negative in ((1.0, 100.0), (1.01, 200.0), (1.02, 400.0), (1.03, 800.0)):
        run(blocks, positive, "positive")
        run(blocks, negative, "negative")
    assert blocks.cache.computed == {"positive": [True, False, False, True], "negative": [True] * 4}


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
    before = (transformer.transformer_blocks, transformer.single_transformer_blocks)
    with pytest.raises(ZeroDivisionError), tea_cache(transformer, 4, 0.15):
        raise ZeroDivisionError
    assert before == (transformer.transformer_blocks, transformer.single_transformer_blocks)
