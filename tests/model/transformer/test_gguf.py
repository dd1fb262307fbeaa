"""Layers in blocks compute what llama.cpp's own package says that the blocks mean."""

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from model.transformer.gguf import Blocks, GgufLinear, keep_blocks, may_keep
from tests.support.packed import packed_transformer

KINDS = (Kind.Q8_0, Kind.Q6_K, Kind.Q5_K, Kind.Q4_K, Kind.Q5_0, Kind.Q5_1, Kind.Q4_0, Kind.Q4_1)


def random_blocks(kind: Kind, rows: int, columns: int) -> Blocks:
    """Bytes of any value; but where halves lie that scale a block, only such as are numbers."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.random.default_rng(0).integers(0, 60, (rows, columns // values * size), dtype=np.uint8)
    return Blocks(torch.from_numpy(data), kind)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_blocks_are_widened_as_by_their_makers(kind: Kind) -> None:
    blocks = random_blocks(kind, 6, 512)
    expected = torch.from_numpy(gguf.quants.dequantize(blocks.data.numpy(), kind))
    assert blocks.shape == expected.shape == (6, 512)
    torch.testing.assert_close(blocks.widened(torch.float32), expected)
    torch.testing.assert_close(blocks[2:4].widened(torch.float32), expected[2:4])
    torch.testing.assert_close(blocks.roll(3, 0).widened(torch.float32), expected.roll(3, 0))
    layer = GgufLinear(torch.nn.Linear(512, 6), blocks)
    x = torch.randn(2, 3, 512)
    torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, expected, layer.bias))


def test_only_layers_of_attention_and_feed_forward_stay_in_blocks() -> None:
    transformer = packed_transformer()
    names = may_keep(transformer)
    assert "single_transformer_blocks.1.proj_mlp.weight" in names and "transformer_blocks.0.attn.to_q.weight" in names
    assert not any("norm" in name or "embedder" in name for name in names)
    keep_blocks(transformer, {"transformer_blocks.0.ff.net.2.weight": random_blocks(Kind.Q8_0, 24, 96)})
    assert type(transformer.transformer_blocks[0].ff.net[2]) is GgufLinear
