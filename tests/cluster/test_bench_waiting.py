"""A replica of the bench that waits."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm.cluster.bench_waiting import STEPS, WaitingReplica
from farm.cluster.devices import Slot
from farm.store.artifacts.local import LocalStore


def test_an_attempt_that_it_has_is_not_begun_again(tmp_path: Path) -> None:
    """What is begun by foresight is told once more when its row is there, and so are real replicas."""
    begun: list[str] = []

    async def report(attempt_id: str, step: int, steps: int) -> bool:
        begun.extend([attempt_id] * (step == 0))
        return True

    async def attempts() -> None:
        replica = WaitingReplica(Slot("node-7", "cpu", "CPU"), 0.05, LocalStore(tmp_path.as_uri()), report)
        for name in ("first", "second"):
            spec: Any = SimpleNamespace(attempt_id=name, output_prefix=name, task_name="encode")
            await replica.start(spec)
            await replica.start(spec)
            assert await replica.wait(name, 10)
            await replica.acknowledge(name)

    asyncio.run(attempts())
    assert begun == ["first", "second"]


def test_its_first_attempt_has_fewer_steps_and_none_is_faster(tmp_path: Path) -> None:
    """Else a farm whose replicas have just begun reports more than one that has been at it for long."""
    said: list[tuple[str, int]] = []

    async def report(attempt_id: str, step: int, steps: int) -> bool:
        said.append((attempt_id, step))
        return True

    async def attempts(*names: str) -> list[float]:
        clock = asyncio.get_running_loop().time
        replica = WaitingReplica(Slot("node-7", "cpu", "CPU"), 1.0, LocalStore(tmp_path.as_uri()), report)
        took = []
        for name in names:
            began = clock()
            spec: Any = SimpleNamespace(attempt_id=name, output_prefix=name, task_name="encode")
            await replica.start(spec)
            assert await replica.wait(name, 10)
            took.append(clock() - began)
        return took

    first, second = asyncio.run(attempts("first", "second"))
    steps = [sum(name == one and step > 0 for one, step in said) for name in ("first", "second")]
    assert 0 < steps[0] < steps[1] == STEPS
    assert first >= (steps[0] - 1) / STEPS and second == pytest.approx(1.0, abs=0.5)
