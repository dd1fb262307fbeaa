"""What a device is measured to do."""

import torch

from model.device import HOST, product_speed


def test_products_are_measured_in_operations_a_second() -> None:
    small, large = (product_speed(HOST, torch.float32, size, 3) for size in (64, 512))
    assert 1e-5 < small < 100 and 1e-4 < large < 100
