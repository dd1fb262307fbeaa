"""What the details learn from: latents with the transformer's errors, and how crisp pictures are."""

from itertools import islice

import pytest
import torch

from model.puppet.build import detailed, read
from model.puppet.quality import sharpness
from model.puppet.train_details import BATCH, crispness, sample_sections
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint


def groups(*pictures: torch.Tensor) -> torch.Tensor:
    """[n, 3, 4, h, w] of grey pictures [h, w]."""
    return torch.stack(pictures)[:, None, None].expand(-1, 3, 4, -1, -1)


def test_crispness_is_what_sharpness_is_of_whole_pictures():
    torch.manual_seed(1)
    noise = torch.rand(1, 3, 4, 32, 48)
    inner = crispness(noise)[..., 1:-1, 1:-1].square().mean().sqrt()
    whole = sharpness(noise[0].transpose(0, 1)[..., 3:-3, 3:-3])
    assert inner.item() == pytest.approx(whole, rel=0.02)


def test_crispness_knows_a_blurred_edge_but_not_where_in_its_cell_it_lies():
    edge, moved, blurred = (torch.zeros(16, 16) for _ in range(3))
    edge[:, 9:] = moved[:, 10:] = blurred[:, 11:] = 1
    blurred[:, 8:11] = torch.tensor([0.25, 0.5, 0.75])
    sharp, other, soft, flat = crispness(groups(edge, moved, blurred, torch.ones(16, 16)))[:, 0, 1]
    assert sharp[2] == other[2] and sharp[2] > 2 * soft[2]
    assert torch.allclose(flat, sharp[:1]), "a plain ground has the least there is"


def test_sections_have_latents_that_are_nearly_those_of_their_pictures(tmp_path):
    parts = detailed(read(tiny_checkpoint(tmp_path), here()), 1)
    (other, _), (latents, pictures) = islice(sample_sections(parts, 5, 0.5, "cpu"), 2)
    assert latents.shape == other.shape == (10 * BATCH, 16, 8, 8) and not torch.equal(latents, other)
    assert pictures.shape == (10 * BATCH, 3, 4, 128, 128)
    with torch.no_grad():
        exact = parts.vae.encode_groups(pictures.float() / 127.5 - 1)
    wrong = ((latents - exact) * parts.vae.config.scaling_factor).square().mean(dim=(1, 2, 3)).sqrt()
    starts = torch.arange(10 * BATCH) % 10 == 0
    assert (wrong[starts] < 0.02).all(), "those of start images are exact, but for the bytes of the pictures"
    assert (wrong[~starts] < 1).all() and wrong[~starts].mean() > 0.05
    again, _ = next(sample_sections(parts, 5, 0.5, "cpu"))
    assert torch.equal(again, other)
