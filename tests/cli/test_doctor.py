"""`farm doctor` looks at the real machine, names remedies, and explains how a large model would use a card."""

import json
from types import SimpleNamespace

import pytest
import torch

from farm.cli.checks import CHECKS, State
from farm.settings import Settings


def test_a_healthy_machine_passes_every_check(run, settings: Settings):
    outcome = run("doctor", "--json")
    assert outcome.code == 0, outcome.err
    checks = {check["name"]: check for check in json.loads(outcome.out)["checks"]}
    assert {check["state"] for check in checks.values()} <= {"ok", "warning"}
    assert str(settings.home) in checks["home"]["finding"] and "H.264" in checks["video encoder"]["finding"]


def test_a_database_that_can_not_be_reached_is_a_failure_and_the_other_checks_go_on(run, settings, monkeypatch):
    monkeypatch.setenv("FARM_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/farm")
    outcome = run("doctor")
    assert outcome.code == 1
    assert "failed" in outcome.out and "plug-ins" in outcome.out
    assert "secret" not in outcome.out


def test_a_broken_plug_in_is_a_warning_that_says_why(run, settings: Settings):
    (settings.plugins_dir / "broken.py").write_text("import nothing_of_that_name\n")
    outcome = run("doctor")
    assert outcome.code == 0 and "nothing_of_that_name" in outcome.out


def test_a_folder_of_loras_that_is_not_there_is_a_warning(settings: Settings, monkeypatch) -> None:
    assert CHECKS["LoRAs"](settings).state is State.OK
    monkeypatch.setenv("FARM_LORA_DIRS", f"{settings.home}:/no/such/disk")
    check = CHECKS["LoRAs"](Settings.from_environment())
    assert check.state is State.WARNING and check.finding.endswith("not there: /no/such/disk")


def test_a_card_without_bf16_is_a_warning_that_says_what_it_can_not_render(settings: Settings, monkeypatch):
    def card(device: torch.device) -> SimpleNamespace:
        return SimpleNamespace(
            name="RTX 2080 Ti" if device.index else "RTX 3060", major=8 - device.index, total_memory=0
        )

    monkeypatch.setattr("model.device.graphics_cards", lambda: (torch.device("cuda", 0), torch.device("cuda", 1)))
    monkeypatch.setattr("model.device.free_memory", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", card)
    check = CHECKS["devices"](settings)
    assert check.state is State.WARNING
    assert check.remedy.startswith("RTX 2080 Ti: no bf16, which the 13B models need")


def test_a_card_that_is_not_here_can_be_asked_about(run, farm_home):
    outcome = run("doctor", "--card", 24, "--host", 64)
    assert outcome.code == 0 and "plan hot" in outcome.out and "18.1" in outcome.out
    plan = json.loads(run("doctor", "--card", 6, "--host", 32, "--json").out)["memory"][0]
    assert plan["plan"] == "streamed" and plan["card_gb"] < 5


def test_a_card_that_is_too_small_gets_the_reason(run, farm_home):
    assert "does not fit" in run("doctor", "--card", 3, "--host", 16).out


def test_memory_to_keep_free_comes_from_the_environment(run, farm_home, monkeypatch):
    monkeypatch.setenv("FARM_GPU_MEMORY_PRESERVATION", "6")
    assert "plan fp8" in run("doctor", "--card", 24, "--host", 64).out


@pytest.mark.parametrize("value", ["lots", "-1", "nan"])
def test_nonsense_about_memory_is_refused(run, farm_home, monkeypatch, value: str):
    monkeypatch.setenv("FARM_GPU_MEMORY_PRESERVATION", value)
    outcome = run("doctor", "--card", 24)
    assert outcome.code == 2 and "FARM_GPU_MEMORY_PRESERVATION" in outcome.err
