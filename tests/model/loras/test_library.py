"""LoRA files are found by name, and are the ones that were meant."""

from pathlib import Path
from typing import Any

import pytest

from farm.errors import InputError
from model.choices import Lora
from model.loras.library import available, digest, find, resolve
from model.settings import ModelSettings
from tests.model.loras.conftest import style
from tests.support.machine import here


def test_unknown_name_suggests_the_nearest(loras: Path, shapes: Any) -> None:
    (loras / "people").mkdir()
    style(loras / "people" / "dancer.safetensors", shapes)
    assert list(available(here())) == ["people/dancer"]
    assert resolve(Lora("People/Dancer"), shapes, here()).name == "people/dancer"
    with pytest.raises(InputError, match=r"unknown LoRA 'people/dancr'\. Did you mean 'people/dancer'.*loras"):
        resolve(Lora("people/dancr"), shapes, here())


def test_configuration_beside_a_file_belongs_to_it(loras: Path, shapes: Any) -> None:
    folder = loras / "peft"
    folder.mkdir()
    alone = digest(style(folder / "adapter_model.safetensors", shapes), here())
    accepted = resolve(Lora("peft/adapter_model"), shapes, here())
    assert accepted.sha256 == alone
    (folder / "adapter_config.json").write_text('{"lora_alpha": 4}')
    assert digest(folder / "adapter_model.safetensors", here()) != alone
    with pytest.raises(InputError, match="not the file that was meant"):
        resolve(accepted, shapes, here())


def test_folders_of_ones_own_come_after_the_home_s(tmp_path: Path, shapes: Any) -> None:
    settings = ModelSettings(tmp_path / "home", more_loras=(tmp_path / "away", tmp_path / "own"))
    (tmp_path / "own" / "people").mkdir(parents=True)
    dancer = style(tmp_path / "own" / "people" / "dancer.safetensors", shapes)
    ink = style(tmp_path / "own" / "ink.safetensors", shapes)
    assert available(settings) == {"ink": ink, "people/dancer": dancer}, "a disk that is away has none"
    assert resolve(Lora("People/Dancer"), shapes, settings) == Lora("people/dancer", 1.0, digest(dancer, here()))
    settings.loras_folder.mkdir(parents=True)
    nearer = style(settings.loras_folder / "Ink.safetensors", shapes, seed=1)
    assert available(settings) == {"Ink": nearer, "people/dancer": dancer} and find("ink", settings) == nearer
    with pytest.raises(InputError, match=r"They are files in .*loras and .*away and .*own"):
        find("nothing", settings)
