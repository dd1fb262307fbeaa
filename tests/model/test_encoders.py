"""Whether an encoder fits a card is judged by what it takes in memory, not by the bits that its file has."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import model.encoders as encoders
from model.checkpoint import open_checkpoint, open_part
from model.device import HOST
from model.encoders import Encoders
from tests.support.machine import here


def test_file_of_8_bits_is_reckoned_with_as_wide_as_it_is_used(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_checkpoint(checkpoint, here())
    part = opened.parts["text_encoder"]
    weights = load_file(part.files[0])
    numbers = sum(weight.numel() for weight in weights.values())
    narrow = tmp_path / "narrow.safetensors"
    save_file({name: weight.to(torch.float8_e4m3fn) for name, weight in weights.items()}, narrow)
    single = open_part("text_encoder", narrow, part.kind, "", "", here())
    assert single.numbers == part.numbers == numbers
    card = torch.device("cuda")
    held = Encoders(replace(opened, parts={"text_encoder": single}), card, {"text_encoder": "fp16"})
    for free, place in ((2.3 * numbers, card), (2.1 * numbers, HOST)):
        monkeypatch.setattr(encoders, "free_memory", lambda device, free=free: free)
        assert held._device_for(single) == place
