"""``farm train pack``: makes a packed model of one that never was, such as HunyuanVideo, or gives one another layout.

What is new is learnt whole: the projections of the layout's kernels, which begin as average-pooling and the base's own
(section 3.2 of arXiv 2504.12626), and the projection of what the image encoder sees, which begins at zero. The blocks
learn by a LoRA, which the finished checkpoint has in its weights.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_hunyuan_video_framepack import FramepackClipVisionProjection
from torch import nn
from torch.func import functional_call

from farm.files import written_aside
from model.checkpoint import FAMILY
from model.transformer import PackedTransformer
from model.transformer.patchify import RELEASED

from .foundation import kernels_of
from .merging import check_base, merge_weights
from .trainer import LoraTrainer

WEIGHTS = "diffusion_pytorch_model"


class Whole(nn.Module):
    """``module`` with weights in fp32, which are learnt, and working in ``dtype``."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module.float().requires_grad_(True)
        self.dtype = dtype

    @property
    def weight(self) -> torch.Tensor:
        """As the module works with it."""
        return self.module.get_parameter("weight").to(self.dtype)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        rounded = {name: weight.to(self.dtype) for name, weight in self.module.named_parameters()}
        result: torch.Tensor = functional_call(self.module, rounded, (input,))
        return result


class PackTrainer(LoraTrainer):
    """A base in which new parts are learnt whole, and the blocks by a LoRA."""

    def grow(self) -> dict[str, nn.Parameter]:
        """Give the transformer what it lacks for the layout; the new weights by their names in a checkpoint.

        Raises:
            InputError: what is learnt could not be added to the base in the end.
        """
        check_base(self.prepared.checkpoint.parts["transformer"].files, self.layers)
        source = torch.Generator().manual_seed(self.prepared.recipe.seed)
        kernels = kernels_of(self.prepared.info.layout)
        self.transformer.add_kernels(kernels)
        places: dict[str, tuple[Any, str]] = {}
        for name in kernels:
            released = next((own for kernel, own in RELEASED.items() if str(kernel) == name), None)
            if released:
                places[f"clean_x_embedder.{released}"] = self.transformer.clean_x_embedder, released
            else:
                places[f"extra_x_embedders.{name}"] = self.transformer.extra_x_embedders, name
        if self.transformer.image_projection is None:
            add_image_projection(self.transformer, self._image_width(), source)
            places["image_projection"] = self.transformer, "image_projection"
        grown: dict[str, nn.Parameter] = {}
        for name, (owner, child) in places.items():
            whole = Whole(getattr(owner, child), self.dtype)
            setattr(owner, child, whole)
            grown |= {f"{name}.{weight}": parameter for weight, parameter in whole.module.named_parameters()}
        return grown

    def keep(self) -> Path:
        """At the end, the checkpoint; before that only the state is kept, as a checkpoint takes as long as its base."""
        if self.position.step < self.learning.steps:
            return self.state_file
        folder = self.folder / "checkpoint"
        part = self.prepared.checkpoint.parts["transformer"]
        grown = {name: weight.detach().to("cpu", self.dtype) for name, weight in self.grown.items()}
        added = {name: weight for name, weight in self._constant().items() if name not in grown}
        merge_weights(part.files, self.layers, {**added, **grown}, folder / "transformer", WEIGHTS)
        self._describe(folder)
        return folder

    def _constant(self) -> Mapping[str, torch.Tensor]:
        """New weights that no kernel of the layout uses; diffusers' class has them all the same."""
        module = self.transformer.clean_x_embedder
        plain = {name: weight for name, weight in module.state_dict().items() if ".module." not in name}
        return {f"clean_x_embedder.{name}": weight.to("cpu", self.dtype) for name, weight in plain.items()}

    def _image_width(self) -> int:
        (clip, *_) = self.prepared.clips
        return int(self.prepared.library.clip(clip)["image"].shape[-1])

    def _describe(self, folder: Path) -> None:
        """The configurations of transformer and family."""
        info, config = self.prepared.info, dict(self.transformer.config)
        extra = [name for name in kernels_of(info.layout) if name in self.transformer.extra_x_embedders]
        kind = "PackedTransformer" if extra else "HunyuanVideoFramepackTransformer3DModel"
        said = {name: value for name, value in config.items() if not name.startswith("_") and name != "extra_kernels"}
        said |= {"_class_name": kind, **({"extra_kernels": extra} if extra else {})}
        family = {"layout": str(info.layout), "orders": list(info.orders), "default_order": info.default_order}
        for file, value in ((folder / "transformer" / "config.json", said), (folder / FAMILY, family)):
            with written_aside(file) as aside:
                aside.write_text(json.dumps(value, indent=2, default=list))


def add_image_projection(transformer: PackedTransformer, width: int, source: torch.Generator) -> None:
    """Give ``transformer`` a projection of image embeddings [patches, ``width``] that gives zeros as yet."""
    base = transformer.x_embedder.proj.weight
    inner = base.shape[0]
    projection = FramepackClipVisionProjection(width, inner)
    with torch.no_grad():
        projection.up.weight.normal_(0, width**-0.5, generator=source)
        projection.up.bias.zero_()
        projection.down.weight.zero_()
        projection.down.bias.zero_()
    transformer.image_projection = projection.to(base.device, base.dtype).requires_grad_(False)
    transformer.register_to_config(has_image_proj=True, image_proj_dim=width)
