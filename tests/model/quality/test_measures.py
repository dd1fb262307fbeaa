"""What is measured is what was put into the pictures."""

import time
from collections.abc import Callable

import pytest
import torch

from model.quality.measures import measure
from model.quality.pieces import Measures, likeness, seam


def moving(frames: int = 12, speed: int = 1, noise: float = 0.0) -> torch.Tensor:
    """A bright square that goes to the right over a grey ground."""
    made = torch.full((frames, 32, 48, 3), 60.0)
    for index in range(frames):
        left = 2 + index * speed
        made[index, 8:20, left : left + 10] = torch.tensor([220.0, 120.0, 40.0])
    made += noise * torch.randn(made.shape, generator=torch.Generator().manual_seed(1))
    return made.round().clamp(0, 255).to(torch.uint8)


def test_motion_is_that_of_the_pixels_that_changed() -> None:
    found = measure(moving())
    changed = 12 * 2 / (32 * 48)  # two columns of twelve pixels in every frame
    assert found.motion == pytest.approx(changed * (160 + 60 + 20) / 3 / 255, rel=1e-3)
    assert found.still == 0.0 and found.flicker == pytest.approx(0.0, abs=1e-6)
    assert measure(moving(speed=0)).still == 1.0
    assert measure(moving(speed=2)).motion == pytest.approx(2 * found.motion, rel=1e-3)


def test_colours_contrast_and_clipping() -> None:
    found = measure(torch.cat([torch.zeros(1, 32, 32, 3), torch.full((1, 32, 32, 3), 255.0)]).to(torch.uint8))
    assert found.mean == (0.5, 0.5, 0.5) and found.clipped == 1.0 and found.contrast == (0.0, 0.0, 0.0)
    assert sum(found.colours) == pytest.approx(1) and found.colours[0] == found.colours[-1] == 0.5
    assert likeness(found, found) == pytest.approx(1)
    assert likeness(found, measure(moving())) == pytest.approx(0.5)  # what is dark here and there


def test_noise_is_estimated_and_sharpness_falls_with_blur() -> None:
    clean, noisy = measure(moving()), measure(moving(noise=10))
    added = (noisy.noise**2 - clean.noise**2) ** 0.5
    assert added == pytest.approx(10 / 255 / 3**0.5, rel=0.35)  # of the mean of three channels
    pictures = moving().permute(0, 3, 1, 2).float()
    soft = torch.nn.functional.avg_pool2d(pictures, 3, stride=1, padding=1).permute(0, 2, 3, 1).to(torch.uint8)
    assert measure(soft[:, 1:-1, 1:-1]).sharpness < 0.6 * clean.sharpness


def test_flicker_is_brightness_that_goes_there_and_back() -> None:
    frames = moving()
    frames[::2] = (frames[::2].float() * 0.9).to(torch.uint8)
    assert measure(frames).flicker > 0.02


def test_seam_is_a_jump_beside_the_motion_inside() -> None:
    whole = moving(24)
    first, second = measure(whole[:12]), measure(whole[12:])
    assert seam(first, second) < 2 < seam(first, measure(whole[12:].roll(12, dims=2)))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_pieces_are_measured_and_all_comes_back_from_json(frames: int) -> None:
    found = measure(moving(frames))
    assert Measures.of_json(found.to_json()) == found
    with pytest.raises(KeyError):
        Measures.of_json({"mean": [0, 0, 0]})


def test_a_section_is_measured_in_less_time_than_a_quick_model_makes_it() -> None:
    """Beside the standard deviations of its frames, which are one of the things that are measured."""
    frames = (255 * torch.rand(16, 192, 320, 3, generator=torch.Generator().manual_seed(1))).to(torch.uint8)
    planes = frames.permute(0, 3, 1, 2).float()

    def cost(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(5):
            began = time.thread_time()
            work()
            taken.append(time.thread_time() - began)
        return min(taken)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert cost(lambda: measure(frames)) < 3 * cost(lambda: [each.std(dim=(1, 2)) for each in planes])
    finally:
        torch.set_num_threads(threads)
