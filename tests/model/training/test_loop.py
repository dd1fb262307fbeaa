"""`farm train lora`: it learns, goes on to the same bits wherever it was killed, and says early what is wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from farm.errors import ConflictError, FarmError, InputError, ResultError, StorageError
from model.training.config import Recipe
from model.training.loop import train
from model.training.prepare import Prepared, prepare
from model.training.trainer import LoraTrainer, learning_rate
from tests.support.machine import here

QUICK = """
[lora]
rank = 4
[learning]
steps = {steps}
rate = 1e-2
warmup = 2
batch = 2
forgets = 0.2
save_every = 2
{more}
"""


def quick(steps: int = 5, more: str = "") -> str:
    return QUICK.format(steps=steps, more=more)


@pytest.fixture(scope="module")
def undisturbed(prepared: Callable[..., Prepared], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole training."""
    folder = tmp_path_factory.mktemp("whole")
    train(prepared(quick()), folder, "cpu")
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bar.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(tensor.equal(other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("family", ["framepack", "framepack-f1"])
def test_the_loss_falls(prepared: Callable[..., Prepared], tmp_path: Path, family: str) -> None:
    more = "checkpointing = false"
    trainer = LoraTrainer(prepared(quick(12, more).replace("1e-2", "3e-2"), family), tmp_path, "cpu")

    @torch.no_grad()
    def loss() -> float:
        return sum(trainer.loss(number).item() for number in range(6))

    before = loss()
    for _ in range(12):
        trainer.step()
    assert loss() < 0.85 * before


def test_a_training_stopped_and_gone_on_with_ends_in_the_same_bits(
    prepared: Callable[..., Prepared], undisturbed: Path, tmp_path: Path
) -> None:
    folder, steps = tmp_path / "cut", iter([False, False, True])
    stopped_at = train(prepared(quick()), folder, "cpu", stopped=lambda: next(steps))
    assert stopped_at.name == "bar-000003.safetensors" and not (folder / "bar.safetensors").exists()
    heard: list[tuple[str, int]] = []
    train(prepared(quick()), folder, "cpu", report=lambda stage, done, total, metrics: heard.append((stage, done)))
    assert heard == [("model", 0), ("model", 1), ("learning", 4), ("learning", 5)] and equal(
        weights(folder), weights(undisturbed)
    )
    states = [torch.load(path / "state.pt", weights_only=True) for path in (folder, undisturbed)]
    for one, other in zip(*(state["optimizer"]["state"].values() for state in states), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_memory_plans_and_checkpointing_may_change_on_the_way(
    prepared: Callable[..., Prepared], undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    train(prepared(quick(2)), folder, "cpu")
    train(prepared(quick(5, 'memory = "streamed"\ncheckpointing = false')), folder, "cpu")
    assert equal(weights(folder), weights(undisturbed))


def test_a_killed_process_loses_no_more_than_an_interval(
    prepared: Callable[..., Prepared], cache: Path, shown: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    line = [sys.executable, "-m", "farm", "train", "lora", str(shown / "bar.toml"), "--out", str(folder)]
    line += ["--cache", str(cache), "--device", "cpu", "--threads", "1"]
    first = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while not (folder / "state.pt").exists() and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert torch.load(folder / "state.pt", weights_only=True)["position"]["step"] >= 2
    train(prepared(quick()), folder, "cpu")
    assert equal(weights(folder), weights(undisturbed))


def test_what_decides_the_weights_may_not_change_on_the_way(prepared: Callable[..., Prepared], tmp_path: Path) -> None:
    train(prepared(quick(1)), tmp_path, "cpu")
    with pytest.raises(InputError, match=r"holds a training whose lora was another; .* choose another --out"):
        train(prepared(quick(2).replace("rank = 4", "rank = 5")), tmp_path, "cpu")
    with pytest.raises(InputError, match="whose learning was another"):
        train(prepared(quick(2).replace("1e-2", "2e-2")), tmp_path, "cpu")
    (tmp_path / "state.pt").write_bytes(b"PK broken")
    with pytest.raises(StorageError, match=r"state\.pt can't be read .* remove it to begin anew"):
        train(prepared(quick(1)), tmp_path, "cpu")


def test_two_processes_do_not_train_in_one_folder(prepared: Callable[..., Prepared], tmp_path: Path) -> None:
    training = prepared(quick(1))

    def meddle(stage: str, done: int, total: int, metrics: Any) -> None:
        with pytest.raises(ConflictError, match="another process trains"):
            train(training, tmp_path, "cpu")

    train(training, tmp_path, "cpu", report=meddle)


def test_a_loss_that_is_no_number_ends_it(prepared: Callable[..., Prepared], tmp_path: Path) -> None:
    trainer = LoraTrainer(prepared(quick(1)), tmp_path, "cpu")
    next(iter(trainer.learnt.values())).data.fill_(float("nan"))
    with pytest.raises(ResultError, match=r"lower learning\.rate"):
        trainer.step()


def test_a_card_without_memory_is_said_with_what_to_do(
    prepared: Callable[..., Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.\nMore.")

    monkeypatch.setattr(LoraTrainer, "step", full)
    with pytest.raises(FarmError, match=r"does not suffice .* Set memory = 'streamed'"):
        train(prepared(quick(1)), tmp_path, "cpu")


def test_products_in_8_bits_are_refused(prepared: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_MATMUL", "fp8")
    with pytest.raises(InputError, match="have no gradients; unset it"):
        prepared(quick(1))


def test_families_and_samples_that_can_not_be_are_said_first(recipe: Callable[..., Recipe], cache: Path) -> None:
    with pytest.raises(InputError, match=r"'helios' can't be trained here; those that can: puppet, framepack, "):
        prepare(recipe(family="helios"), here(), "cpu", cache)
    with pytest.raises(InputError, match=r"samples: .*none\.png: no such file"):
        prepare(recipe('[[samples]]\nimage = "none.png"\nprompt = "x"'), here(), "cpu", cache)


def test_the_learning_rate_rises_then_stays_or_falls(recipe: Callable[..., Recipe]) -> None:
    constant = recipe(quick(100)).learning
    assert [learning_rate(step, constant) for step in (0, 1, 2, 99)] == [0.005, 0.01, 0.01, 0.01]
    cosine = constant.model_copy(update={"schedule": "cosine"})
    assert learning_rate(51, cosine) == pytest.approx(0.0051) and learning_rate(100, cosine) == pytest.approx(0.0002)
