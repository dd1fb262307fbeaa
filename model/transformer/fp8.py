"""Linear layers whose weights are 8-bit floats (e4m3) with a scale per output row, multiplied as such where cards can.

Two ways to use the same weights. *Widened*: a layer's weights become bf16 while it works; that saves memory alone.
*Multiplied*: its input is rounded to 8 bits too, with a scale per token, and tensor cores multiply 8 bits by 8 bits, at
twice the rate of bf16; needs compute capability 8.9. Row scales keep the relative error of a weight below 2^-4
whatever the size of its row; a cast without scales loses all below 2^-9.
"""

from collections.abc import Sequence

import torch
from torch import nn

FP8 = torch.float8_e4m3fn
LARGEST = float(torch.finfo(FP8).max)
"""448."""
_TINY = 1e-12


class Fp8Linear(nn.Linear):
    """A linear layer with weights [out, in] in e4m3, ``weight_scale`` [out, 1] in fp32 and its bias as it was.

    ``multiplied``: the second way of the module's; it begins with the first.
    """

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        rounded, scale = to_fp8(layer.weight.detach())
        self.weight = nn.Parameter(rounded, requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
        self.weight_scale = nn.Parameter(scale, requires_grad=False)
        self.multiplied = False

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out], in the input's dtype."""
        if not self.multiplied:
            wide = self.weight.to(input.dtype).mul_(self.weight_scale.to(input.dtype))
            return nn.functional.linear(input, wide, self.bias)
        flat = input.reshape(-1, self.in_features)
        rounded, scale = to_fp8(flat)
        result = torch._scaled_mm(
            rounded,
            self.weight.t(),
            scale_a=scale,
            scale_b=self.weight_scale.t(),
            bias=self.bias,
            out_dtype=input.dtype,
            use_fast_accum=True,
        )
        return result.view(*input.shape[:-1], self.out_features)


def to_fp8(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``rows`` [n, k] as e4m3 and their scales [n, 1] in fp32: each row's largest value becomes 448."""
    scale = rows.abs().amax(dim=1, keepdim=True).float().clamp(min=_TINY) / LARGEST
    return (rows.float() / scale).clamp(-LARGEST, LARGEST).to(FP8), scale


def use_fp8(blocks: Sequence[nn.Module]) -> None:
    """Exchange the linear layers of attention and feed-forward in ``blocks``; modulation layers stay."""
    for block in blocks:
        for name, module in list(block.named_modules()):
            for child_name, child in list(module.named_children()):
                if type(child) is nn.Linear and "norm" not in f"{name}.{child_name}":
                    setattr(module, child_name, Fp8Linear(child))


def multiply_in_fp8(transformer: nn.Module) -> int:
    """Have the 8-bit layers of ``transformer`` multiply 8 bits by 8 bits. How many there are."""
    layers = [module for module in transformer.modules() if isinstance(module, Fp8Linear)]
    for layer in layers:
        layer.multiplied = True
    return len(layers)


def can_multiply(device: torch.device) -> bool:
    """Whether ``device`` multiplies 8-bit floats: NVIDIA's from Ada and Hopper on."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)
