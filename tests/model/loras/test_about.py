"""What LoRA files tell of themselves."""

import base64
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from farm.errors import CheckpointError
from model.loras.about import LoraAbout, about_lora, picture_of


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, LoraAbout()),
        ({"modelspec.title": "Ink", "modelspec.trigger_phrase": "ink style"}, LoraAbout("Ink", ("ink style",))),
        ({"ss_output_name": "ink", "trigger_words": '["ink", "wash", "ink"]'}, LoraAbout("ink", ("ink", "wash"))),
        ({"trigger_word": " a ,b,, c,d,e "}, LoraAbout("", ("a", "b", "c", "d"))),
        (
            {"ss_tag_frequency": json.dumps({"1_a": {"sks girl": 4, "tree": 1}, "2_b": {"sks girl": 2, "sea": 6}})},
            LoraAbout("", ("sks girl", "sea")),
        ),
        ({"ss_tag_frequency": "[1]", "modelspec.title": "   "}, LoraAbout()),
        ({"ss_tag_frequency": '{"a": {"b": "many"}}'}, LoraAbout()),
        ({"ss_tag_frequency": '{"a": {"b": Infinity}}'}, LoraAbout()),
        ({"ss_tag_frequency": "[" * 100_000}, LoraAbout()),
        ({"trigger_words": "[" * 100_000}, LoraAbout("", ("[" * 80,))),
    ],
)
def test_titles_and_trigger_words(tmp_path: Path, metadata: dict[str, str], expected: LoraAbout) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", metadata or None)
    assert about_lora(tmp_path / "x.safetensors") == expected


def test_a_header_is_read_again_when_the_file_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"x": torch.zeros(1)}, file, {"modelspec.title": "Ink"})
    assert about_lora(file).title == "Ink"
    save_file({"x": torch.zeros(1)}, file, {"modelspec.title": "Ink and wash"})
    assert about_lora(file).title == "Ink and wash"


def test_the_picture_in_the_header_goes_before_one_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    told = base64.b64encode(b"in the header").decode()
    save_file({"x": torch.zeros(1)}, file, {"modelspec.thumbnail": f"data:image/jpeg;base64,{told}"})
    (tmp_path / "x.png").write_bytes(b"beside")
    header = about_lora(file).picture
    assert picture_of(file) == b"in the header"
    for spoilt in ("data:text/html;base64,bm8=", "data:image/jpeg;base64,%", "https://example.org/x.jpg"):
        save_file({"x": torch.zeros(1)}, file, {"modelspec.thumbnail": spoilt})
        assert picture_of(file) == b"beside" and about_lora(file).picture not in ("", header)
    (tmp_path / "x.png").unlink()
    assert picture_of(file) == b"" and about_lora(file).picture == ""


def test_what_is_no_lora_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="cut short"):
        about_lora(tmp_path / "x.safetensors")
