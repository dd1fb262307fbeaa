"""The benchmark: both classes on the same weights and section, in turns."""

import json

import pytest
import torch

from farm.cli.app import main
from farm.errors import InputError
from model.bench.sizes import SIZES, build, build_diffusers
from model.bench.steps import take_turns
from model.bench.transformer import compare, time_variants


def test_all_variants_predict_the_same_from_the_same_weights() -> None:
    variants = ("diffusers", "packed", "packed-away")
    tflop, times, attention = time_variants("tiny", "cpu", 3, variants, threads=1, rounds=2)
    base = times["diffusers"].flow
    assert base is not None and all(found.flow is not None and found.flow.equal(base) for found in times.values())
    assert tflop > 0 and attention == dict.fromkeys(variants, "native")


def test_helios_predicts_the_same_from_the_same_weights() -> None:
    variants = ("diffusers", "packed", "packed-away")
    _, times, _ = time_variants("helios-tiny", "cpu", 2, variants, threads=1, rounds=1)
    base = times["diffusers"].flow
    assert base is not None and all(found.flow is not None and found.flow.equal(base) for found in times.values())


def test_variants_take_turns_after_the_same_warm_up() -> None:
    calls: list[str] = []

    def begin(name: str) -> object:
        def forward(x: torch.Tensor, timestep: float) -> torch.Tensor:
            calls.append(f"{name}{timestep:.0f}")
            return x

        return lambda timesteps: forward

    times = take_turns({"a": begin("a"), "b": begin("b")}, torch.zeros(1), 2, 2)  # type: ignore[dict-item]
    assert calls == ["a1000", "b1000", "a500", "b500"] * 3
    assert {name: (len(found.first), len(found.later)) for name, found in times.items()} == {"a": (2, 2), "b": (2, 2)}


def test_models_of_the_bench_share_tensors_and_are_alive() -> None:
    first = build_diffusers(SIZES["tiny"], torch.device("cpu"), torch.float32)
    second = build(SIZES["tiny"], torch.device("cpu"), torch.float32, like=first)
    theirs = first.state_dict()
    assert all(weight.data_ptr() == theirs[name].data_ptr() for name, weight in second.state_dict().items())
    assert all(torch.isfinite(weight).all() and weight.any() for weight in theirs.values())


def test_command_prints_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "transformer", "--config", "tiny", "--steps", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["variant"] for row in report["rows"]] == ["diffusers", "packed"]
    assert report["rows"][0]["ratio"] == 1 and report["rows"][1]["largest_difference"] == 0
    assert all(row["peak_gb"] > 0.05 and row["seconds_per_step"] > 0 for row in report["rows"])


def test_unknown_size_and_device_are_refused() -> None:
    with pytest.raises(InputError, match="small"):
        compare("smal", "cpu", 1, ("packed",))
    with pytest.raises(InputError, match="cuda"):
        compare("tiny", "cuda:77", 1, ("packed",))
