"""LoRA files for tests."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.loras.pairs import shapes_of


@pytest.fixture
def loras(farm_home: Path) -> Path:
    folder = farm_home / "loras"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, ...]]:
    """Of the tiny puppet's transformer, 24 wide."""
    from tests.support.tiny import _built

    return shapes_of((_built() / "transformer").glob("*.safetensors"))


def change(shape: tuple[int, int], rank: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Down [rank, in] and up [out, rank] for a matrix [out, in]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, shape[1], generator=generator), torch.randn(shape[0], rank, generator=generator)


def style(path: Path, shapes: dict[str, tuple[int, ...]], seed: int = 0, end: str = "to_q") -> Path:
    """A LoRA on all modules whose names end so, in diffusers' spelling."""
    weights = {}
    for name, shape in shapes.items():
        if name.endswith(f"{end}.weight") and len(shape) == 2:
            down, up = change(shape, seed=seed)
            weights[f"transformer.{name.removesuffix('.weight')}.lora_A.weight"] = down
            weights[f"transformer.{name.removesuffix('.weight')}.lora_B.weight"] = up
    save_file(weights, path)
    return path
