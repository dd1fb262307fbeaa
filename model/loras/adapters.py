"""LoRAs in a transformer: loaded beside its weights by diffusers and PEFT, never merged into them."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from ..choices import Lora
from ..original import shares
from ..settings import ModelSettings
from .library import locate
from .pairs import Pair, pairs_of


class Adapters:
    """The LoRAs that a transformer has at the moment.

    They work beside the base weights and leave with their modules, so that the transformer is afterwards bit-equal to
    what it was. Sections with the same LoRAs in a row load them once.

    Args:
        transformer: a model class of diffusers.
        dtype: what it computes in.
        settings: of this machine, which says where LoRA files are.
    """

    def __init__(self, transformer: Any, dtype: torch.dtype, settings: ModelSettings) -> None:
        self._transformer = transformer
        self._dtype = dtype
        self._settings = settings
        self._shapes = {name: tuple(weight.shape) for name, weight in transformer.state_dict().items()}
        self._active: tuple[Lora, ...] = ()

    @property
    def active(self) -> tuple[Lora, ...]:
        """Those in the transformer now."""
        return self._active

    def use(self, loras: Sequence[Lora]) -> None:
        """Have exactly these, in this order, each with its weight.

        Raises:
            CheckpointError: a file is not on this machine, is another one, or does not fit; then none is active.
        """
        wanted = tuple(loras)
        if wanted == self._active:
            return
        self.unload()
        if not wanted:
            return
        try:
            names = [self._load(f"lora{index}", lora) for index, lora in enumerate(wanted)]
            self._transformer.set_adapters(names, [lora.weight for lora in wanted])
        except BaseException:
            self.unload()
            raise
        self._active = wanted

    def unload(self) -> None:
        """Take all of them out."""
        self._active = ()
        if getattr(self._transformer, "peft_config", None):
            self._transformer.unload_lora()

    def _load(self, name: str, lora: Lora) -> str:
        file = locate(lora, self._settings)
        weights = read_lora(file, pairs_of(file, self._shapes))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # stacking is meant
            self._transformer.load_lora_adapter(weights, adapter_name=name)
        for key, weight in self._transformer.named_parameters():
            if f".{name}." in key:
                weight.data = weight.data.to(self._dtype)  # not in the base weights' dtype, which may have 8 bits
                weight.requires_grad_(False)
        return name


def read_lora(file: Path, pairs: Sequence[Pair]) -> dict[str, torch.Tensor]:
    """Weights in diffusers' spelling: ``transformer.<module>.lora_A.weight`` [rank, in] and ``lora_B`` [out, rank].

    A change of several modules at once shares its ``lora_A``; its scale is multiplied into ``lora_B``.
    """
    weights = {}
    with safe_open(file, framework="pt") as stored:
        for pair in pairs:
            down, up = stored.get_tensor(pair.down).float(), stored.get_tensor(pair.up).float()
            scale = pair.scale if pair.alpha is None else float(stored.get_tensor(pair.alpha)) / pair.rank
            if pair.swapped:
                up = torch.cat(up.chunk(2)[::-1])
            if scale != 1.0:
                up = up * scale
            share = shares(pair.targets, up.shape[0], down.shape[1])
            for target, rows in zip(pair.targets, up.split(share), strict=True):
                weights[f"transformer.{target}.lora_A.weight"] = down.clone()
                weights[f"transformer.{target}.lora_B.weight"] = rows.contiguous()
    return weights
