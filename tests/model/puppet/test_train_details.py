"""What the details learn from: latents with the transformer's errors, and how crisp pictures are."""

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
    made = list(sample_sections(parts, BATCH + 1, 5, 0.5, "cpu"))
    assert [len(latents) for latents, _ in made] == [10 * BATCH, 10]
    latents, pictures = made[1]
    assert latents.shape == (10, 16, 8, 8) and pictures.shape == (10, 3, 4, 128, 128)
    with torch.no_grad():
        exact = parts.vae.encode_groups(pictures.float() / 127.5 - 1)
    assert torch.allclose(latents[0], exact[0], atol=0.02), "the start image's is exact, but for its bytes"
    wrong = (latents[1:] - exact[1:]).square().mean().sqrt() * parts.vae.config.scaling_factor
    assert 0.001 < wrong < 1
    (again, same), *_ = sample_sections(parts, BATCH + 1, 5, 0.5, "cpu")
    assert torch.equal(again, made[0][0]) and torch.equal(same, made[0][1])
