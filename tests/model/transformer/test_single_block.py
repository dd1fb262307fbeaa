"""The last block: the window's bits are those of the whole, and nothing is computed that nobody reads."""

from typing import Any

import pytest
import torch

from tests.support.packed import I2V, noise_for, packed_transformer, section_inputs

WINDOW = 5


@pytest.fixture
def block() -> Any:
    return packed_transformer().single_transformer_blocks[-1]


@pytest.fixture
def streams(block: Any) -> tuple[Any, ...]:
    """Context and window, text, embedding, no mask, phases."""
    source = torch.Generator().manual_seed(0)
    dim, head_dim = block.proj_out.out_features, block.attn.to_q.out_features // block.attn.heads
    hidden, text, embedding = (torch.randn(1, *size, generator=source) for size in ((17, dim), (4, dim), (dim,)))
    angles = torch.randn(17, head_dim // 2, generator=source).repeat_interleave(2, 1)
    return hidden, text, embedding, None, (angles.cos(), angles.sin())


@torch.no_grad()
def test_the_windows_bits_are_those_of_the_whole_block(block: Any, streams: tuple[Any, ...]) -> None:
    whole, _ = block(*streams)
    hidden, text = block(*streams, WINDOW)
    assert hidden[:, -WINDOW:].equal(whole[:, -WINDOW:]) and not whole.equal(streams[0])
    assert hidden[:, :-WINDOW].equal(streams[0][:, :-WINDOW]) and text.equal(streams[1])


def test_gradients_are_those_of_the_whole_block(block: Any, streams: tuple[Any, ...]) -> None:
    found = []
    block.requires_grad_()
    for window in ((), (WINDOW,)):
        block.zero_grad()
        block(*streams, *window)[0][:, -WINDOW:].square().sum().backward()
        found.append({name: weight.grad.clone() for name, weight in block.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], rtol=1e-4, atol=1e-5), name


@torch.no_grad()
def test_the_last_block_feeds_the_window_alone() -> None:
    packed, inputs = packed_transformer(), section_inputs(I2V)
    seen: list[int] = []
    for block in packed.single_transformer_blocks:
        block.proj_mlp.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    noise = noise_for(inputs)
    packed(noise, 500.0, inputs)
    window = packed.x_embedder(noise).shape[1]
    assert seen[-1] == window and all(tokens > window for tokens in seen[:-1]) and len(seen) > 1
