"""What was chosen for the models of a machine, as read from an environment."""

import json
from pathlib import Path

import pytest

from farm.errors import CheckpointError
from farm.settings import Settings
from model import families, weights
from model.kernels import Kernels
from model.settings import ModelSettings
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint


def test_every_choice_is_read_from_the_environment_that_is_given(tmp_path: Path) -> None:
    chosen = {
        "FARM_HOME": str(tmp_path),
        "FARM_FRAMEPACK_F1_PATH": " ~/f1 ",
        "FARM_PUPPET_PATH": "",
        "FARM_LORA_DIRS": f"~/loras:{tmp_path}",
        "FARM_ATTENTION": " Math ",
        "FARM_COMPILE": "1",
        "FARM_MATMUL": "fp8",
        "FARM_CPU_CLASS": "other",
    }
    settings = ModelSettings.of(chosen)
    assert settings == Settings.from_environment(chosen).model
    assert settings.kernels == Kernels("math", compiled=True, fp8=True, cpu_class="other")
    assert settings.folder("framepack-f1") == Path.home() / "f1" and settings.folder("puppet") is None
    assert settings.lora_folders == (tmp_path / "loras", Path.home() / "loras", tmp_path)
    assert Kernels.of({}) == Kernels("auto")


def test_models_are_where_the_settings_say_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tiny_checkpoint(tmp_path / "own")
    settings = ModelSettings.of({"FARM_PUPPET_PATH": str(own)}, tmp_path)
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match="nowhere"):
        families.describe("puppet", here())
    assert families.describe("puppet", settings).origins["transformer"].startswith(str(own))
    assert families.checkpoint("puppet", settings).family_file.parent == own


def test_digests_of_large_files_are_kept_in_the_home_of_the_settings(
    farm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, settings = tmp_path / "large.safetensors", ModelSettings(tmp_path / "other")
    file.write_bytes(b"weights")
    monkeypatch.setattr(weights, "LARGE", 1)
    digest = weights.known_sha256(file, settings)
    monkeypatch.setattr(weights, "file_sha256", lambda file: "read again")
    assert (
        weights.known_sha256(file, settings) == digest == json.loads(settings.digests_file.read_bytes())[str(file)][-1]
    )
    assert settings.digests_file.parent == tmp_path / "other" / "cache" and not farm_home.exists()
