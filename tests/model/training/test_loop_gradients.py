"""Gradients are the same however memory is saved: by checkpointing, by blocks that wait on the host, by both."""

from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from model.training.config import LoraShape
from model.training.flow import draw_level, draws, flow_loss
from model.training.lora import LoraLinear, add_lora, trained
from model.training.swapping import SwappedBlock, swap_blocks
from model.transformer.gguf import keep_blocks
from tests.model.transformer.test_gguf import random_blocks
from tests.support.packed import F1, I2V, noise_for, packed_transformer, section_inputs

SHAPE = LoraShape(rank=3, alpha=6, targets=("attention", "feed-forward", "modulation"))
CPU = torch.device("cpu")


def gradients(
    layout: str = I2V, *, checkpointing: bool = False, swapped: int = 0, fp8: bool = False, gguf: str = ""
) -> Any:
    """The loss of a section and the gradient of everything that learns, after some change that is not zero.

    ``gguf``: a layer has weights of blocks, which stay so (``blocks``) or are widened ahead (``wide``).
    """
    transformer = packed_transformer()
    if gguf:
        name, blocks = "transformer_blocks.0.ff.net.2", random_blocks(Kind.Q8_0, 24, 96)
        transformer.get_submodule(name).weight.data = blocks.widened(torch.float32)
        if gguf == "blocks":
            keep_blocks(transformer, {f"{name}.weight": blocks})
    if fp8:
        transformer.use_fp8()
    layers = add_lora(transformer, SHAPE, seed=4)
    learnt = trained(layers)
    for layer in layers.values():
        torch.nn.init.normal_(layer.up, std=0.1, generator=torch.Generator().manual_seed(layer.up.numel()))
    if swapped:
        swap_blocks(transformer, swapped, CPU)
    if checkpointing:
        transformer.enable_gradient_checkpointing()
    inputs = section_inputs(layout)
    clean, noise = noise_for(inputs, 5), noise_for(inputs, 6)
    loss = flow_loss(transformer, inputs, clean, noise, 0.6, torch.float32)
    loss.backward()
    return loss.detach(), {name: weight.grad for name, weight in learnt.items()}


@pytest.fixture(scope="module")
def plain() -> Any:
    return gradients()


def test_every_target_gets_a_gradient_and_the_base_none(plain: Any) -> None:
    loss, found = plain
    assert loss > 0 and all(gradient.abs().max() > 0 for gradient in found.values())
    names = {name.split(".", 2)[2] for name in found}
    expected = {
        "attn.to_q.up",
        "attn.add_q_proj.down",
        "ff.net.2.up",
        "norm1.linear.up",
        "proj_mlp.up",
        "norm.linear.down",
    }
    assert expected <= names


@pytest.mark.parametrize(
    "saving",
    [{"checkpointing": True}, {"swapped": 3}, {"swapped": 1}, {"checkpointing": True, "swapped": 3}],
    ids=str,
)
def test_saving_memory_changes_no_gradient(plain: Any, saving: dict[str, Any]) -> None:
    loss, found = gradients(**saving)
    assert loss.equal(plain[0]) and found.keys() == plain[1].keys()
    assert all(gradient.equal(plain[1][name]) for name, gradient in found.items())


def test_gradients_flow_through_weights_in_8_bits(plain: Any) -> None:
    loss, found = gradients(fp8=True)
    torch.testing.assert_close(loss, plain[0], rtol=0.05, atol=0)
    for name, gradient in found.items():
        assert torch.nn.functional.cosine_similarity(gradient.flatten(), plain[1][name].flatten(), dim=0) > 0.97
    again = gradients(fp8=True, checkpointing=True, swapped=3)
    assert all(gradient.equal(found[name]) for name, gradient in again[1].items())


def test_gradients_flow_through_blocks_of_a_gguf_file() -> None:
    (loss, found), (expected, wide) = gradients(gguf="blocks", checkpointing=True, swapped=3), gradients(gguf="wide")
    assert loss.equal(expected) and all(gradient.equal(wide[name]) for name, gradient in found.items())


MOVE = 1e-2
"""So that the loss changes by much more than RoPE, which is in 32 bits, rounds."""


def test_gradients_agree_with_differences_of_the_loss() -> None:
    """Of F1, by moving one weight a little."""
    found = gradients(F1)[1]
    transformer = packed_transformer()
    layers = add_lora(transformer, SHAPE, seed=4)
    for layer in layers.values():
        torch.nn.init.normal_(layer.up, std=0.1, generator=torch.Generator().manual_seed(layer.up.numel()))
    transformer.double()
    inputs = section_inputs(F1).on("cpu", torch.float64)
    clean, noise = (noise_for(inputs, seed).double() for seed in (5, 6))
    name = "single_transformer_blocks.1.attn.to_v"
    values = []
    for way in (1, -1):
        with torch.no_grad():
            layers[name].up[2, 1] += way * MOVE
            values.append(flow_loss(transformer, inputs, clean, noise, 0.6, torch.float64).item())
            layers[name].up[2, 1] -= way * MOVE
    difference = (values[0] - values[1]) / (2 * MOVE)
    assert found[f"{name}.up"][2, 1].item() == pytest.approx(difference, rel=0.02)


def test_moving_a_model_leaves_waiting_blocks_where_they_are() -> None:
    transformer = packed_transformer()
    layers = add_lora(transformer, SHAPE, seed=4)
    swap_blocks(transformer, 2, CPU)
    transformer.to(torch.device("meta"))
    waiting = [block for block in transformer.single_transformer_blocks if isinstance(block, SwappedBlock)]
    assert len(waiting) == 2
    for block in waiting:
        where = {name.rpartition(".")[2]: weight.device.type for name, weight in block.named_parameters()}
        assert (where["up"], where["down"], where["weight"]) == ("meta", "meta", "cpu")
    assert {weight.device.type for weight in transformer.transformer_blocks.parameters()} == {"meta"}
    assert all(isinstance(layer, LoraLinear) for layer in layers.values())


def test_noise_levels_are_those_of_the_shifted_schedule() -> None:
    """Half of the uniform levels lie above the middle of the shifted schedule, which at 13,464 tokens is 7 / 8."""
    for kind in ("uniform", "logit-normal"):
        levels = torch.tensor([draw_level(kind, 13_464, draws(3, number)) for number in range(2000)])
        assert levels.median() == pytest.approx(7 / 8, abs=0.01)
        assert levels.min() > 0 and levels.max() <= 1
    assert draw_level("uniform", 13_464, draws(3, 7)) == draw_level("uniform", 13_464, draws(3, 7))
