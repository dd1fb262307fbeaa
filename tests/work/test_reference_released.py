"""Whole jobs of the released families, on small checkpoints in their shape, in this process."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from farm.jobs.records import Job
from farm.settings import Settings
from farm.work.reference import render_in_process
from tests.support.released import released_folder

from .conftest import Farm

MODULE = "transformer_blocks_1_attn_to_q"


@pytest.fixture
def farm(tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    folder = released_folder(tmp_path / "parts")
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(folder))
    monkeypatch.setenv("FARM_FRAMEPACK_F1_PATH", str(folder))
    return Farm(Settings.for_home(farm_home))


def render(farm: Farm, **fields: object) -> tuple[Job, dict[str, object]]:
    job = render_in_process(farm.store, farm.artifacts, farm.job(total_second_length=2.4, steps=2, **fields).id)
    assert job.state == "completed", job.error
    return job, json.loads(farm.artifacts.read(farm.store.artifacts(job.id)["manifest"].key))


@pytest.mark.parametrize(("family", "order"), [("framepack", "inverted"), ("framepack-f1", "vanilla")])
def test_video_of_a_released_family(farm: Farm, family: str, order: str) -> None:
    _, manifest = render(farm, model_type=family)
    assert manifest["video"]["frames"] == 73 and manifest["plan"]["order"] == order
    assert manifest["model"]["family"] == family
    assert manifest["model"]["parts"]["transformer"].endswith("/parts/transformer")


def test_manifest_says_which_loras_made_each_section(farm: Farm, farm_home: Path) -> None:
    file = farm_home / "loras" / "style.safetensors"
    save_file(
        {
            f"lora_unet_{MODULE}.lora_down.weight": torch.randn(2, 32),
            f"lora_unet_{MODULE}.lora_up.weight": torch.randn(32, 2),
            f"lora_unet_{MODULE}.alpha": torch.tensor(2.0),
        },
        file,
    )
    plain, before = render(farm, model_type="framepack")
    styled, after = render(farm, model_type="framepack", loras=[{"name": "style", "weight": 0.5}])
    assert [section["loras"] for section in before["sections"]] == [[], []]
    for section in after["sections"]:
        assert section["loras"] == [{"name": "style", "weight": 0.5, "sha256": after["request"]["loras"][0]["sha256"]}]
    one, other = farm.latents(plain.id), farm.latents(styled.id)
    assert all(not torch.equal(one[name], other[name]) for name in one)
