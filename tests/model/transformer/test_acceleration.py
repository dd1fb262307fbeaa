"""Attention backends and compiled blocks."""

from pathlib import Path
from typing import Any

import pytest
import torch

import model.families as families
from farm.errors import InputError
from model.kernels import BACKENDS, Kernels
from model.settings import ModelSettings, path_variable
from model.transformer import SectionMemo
from model.transformer.acceleration import accelerate, choose_attention, try_attention
from tests.support.packed import I2V, diffusers_flow, diffusers_twin, noise_for, packed_transformer, section_inputs
from tests.support.tiny import tiny_checkpoint

CPU = torch.device("cpu")


def backends_of(transformer: Any) -> set[str]:
    processors = [block.attn.processor for block in transformer.transformer_blocks]
    processors += [block.attn.processor for block in transformer.single_transformer_blocks]
    return {str(processor._attention_backend.value) for processor in processors}


@torch.no_grad()
def test_native_is_the_choice_on_the_cpu_and_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    packed, inputs = packed_transformer(), section_inputs(I2V)
    x = noise_for(inputs)
    expected = diffusers_flow(diffusers_twin(packed), x, 500.0, inputs)
    chosen = accelerate(packed, CPU, torch.float32)
    assert (chosen.attention, chosen.compiled, chosen.suffix) == ("native", False, "")
    assert backends_of(packed) == {"native"}
    assert packed(x, 500.0, inputs).equal(expected)


@torch.no_grad()
def test_backend_that_is_asked_for_runs_and_is_named() -> None:
    packed, inputs = packed_transformer(), section_inputs(I2V)
    x = noise_for(inputs)
    expected = packed(x, 500.0, inputs)
    chosen = accelerate(packed, CPU, torch.float32, Kernels("math"))
    assert chosen.suffix == "-math" and backends_of(packed) == {"_native_math"}
    torch.testing.assert_close(packed(x, 500.0, inputs), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["sage", "cudnn", "flash3", "xformers"])
def test_backend_that_does_not_run_here_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}', which does not run here"):
        choose_attention(CPU, torch.float32, 128, name)


def test_unknown_backend_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="cudnn"):
        choose_attention(CPU, torch.float32, 128, "cuddn")


def test_wrong_results_of_a_backend_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    real = _AttentionBackendRegistry._backends[AttentionBackendName.NATIVE]

    def broken(**inputs: Any) -> torch.Tensor:
        return real(**inputs) + 1

    assert try_attention("native", CPU, torch.float32, 64) == ""
    monkeypatch.setitem(_AttentionBackendRegistry._backends, AttentionBackendName.NATIVE, broken)
    assert "off by 1" in try_attention("native", CPU, torch.float32, 64)


def test_every_backend_is_one_of_diffusers() -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName

    assert set(BACKENDS.values()) <= {backend.value for backend in AttentionBackendName}


def test_renderer_has_the_kernels_that_it_is_given_and_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FARM_ATTENTION", "native")
    monkeypatch.setenv("FARM_CPU_CLASS", "elsewhere")
    folders = {path_variable("puppet"): tiny_checkpoint(tmp_path / "tiny")}
    settings = ModelSettings(tmp_path, folders, kernels=Kernels("math", cpu_class="other"))
    renderer = families.load("puppet", settings=settings)
    assert renderer.device_class == "cpu-1t-fp32-other-math" and renderer.attention == "math"


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.soak)])
@torch.no_grad()
def test_compiled_blocks_give_close_results_with_and_without_memo(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's front end decides what is compiled and how often; the back end's own work takes a minute."""
    build = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: build(self, backend=backend))
    packed = packed_transformer(num_single_layers=1)
    inputs = section_inputs(I2V)
    x = noise_for(inputs)
    expected = [packed(x, time, inputs) for time in (900.0, 400.0)]
    chosen = accelerate(packed, CPU, torch.float32, Kernels(compiled=True))
    assert chosen.suffix == "-compiled"
    counters = torch._dynamo.utils.counters
    counters.clear()
    memo = SectionMemo((900.0, 400.0))
    for time, plain in zip((900.0, 400.0), expected, strict=True):
        torch.testing.assert_close(packed(x, time, inputs, memo), plain, atol=1e-4, rtol=1e-3)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 2  # one for each kind of block: the second step compiles nothing
