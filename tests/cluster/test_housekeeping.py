"""Keeping house: what the sweep reckons with."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm.cluster import housekeeping
from farm.cluster.housekeeping import Housekeeping
from farm.retention.policy import Keep
from farm.retention.sweep import look, tidy
from tests.intake.test_takes import Home
from tests.support.tiny import tiny_checkpoint


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path / "tiny")))
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(housekeeping, "TIDY_SECONDS", -1.0)
    return Home(tmp_path / "home")


def test_logs_count_towards_the_budget(home: Home) -> None:
    job = home.render(home.queue(total_second_length=1.2))
    tidy(home.store, home.artifacts, job.id)
    budget = sum(look(home.store, Keep(None)).sizes.values()) + 1_000_000
    settings = replace(home.settings, disk_budget_gb=budget / 1e9)
    board: Any = SimpleNamespace(owners=())
    house = Housekeeping(settings, home.store, home.artifacts, board, tidies=True)
    asyncio.run(house.keep_house())
    assert look(home.store, Keep(None)).sizes["latents"] > 0
    (settings.logs_dir / "service.log").write_bytes(b"x" * 1_000_000)
    asyncio.run(house.keep_house())
    assert look(home.store, Keep(None)).sizes["latents"] == 0
