"""Reading a checkpoint's components into memory, with errors that name the file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.utils.logging import disable_progress_bar as disable_diffusers_progress_bar
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from farm.errors import CheckpointError

from .single_file import built, is_of_diffusers, read_single_file
from .weights import read_header, read_json, weight_files

TORCH_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

GGUF = "gguf"
_AGAIN = "copy or download it again"


def load_weights(
    kind: Any,
    path: Path,
    device: torch.device,
    dtype: str = "fp32",
    config: Mapping[str, Any] | None = None,
    works_on: torch.device | None = None,
) -> Any:
    """An instance of the model class ``kind`` from ``path``, in evaluation mode on ``device``.

    Args:
        kind: a model class of diffusers or transformers.
        path: a folder with configuration and weights (in shards or not), or a single file.
        device: where to put it.
        dtype: ``fp32``, ``bf16``, ``fp16``, or ``fp8``: the layers of a transformer's blocks are kept as 8-bit floats,
            see ``transformer.fp8``, and everything else in bf16 (on the CPU: fp32); ``gguf``: the blocks of a GGUF file
            stay as they are, and everything else is as for ``fp8``.
        config: the model's configuration, for a single file that has none beside it.
        works_on: the device that it will compute on, when that is another.

    Raises:
        CheckpointError: the files can't be read, or don't hold exactly the weights of the configuration.
    """
    disable_progress_bar()
    disable_diffusers_progress_bar()
    working = working_dtype(dtype, works_on or device)
    try:
        if path.is_file():
            model = read_single_file(kind, path, config or {}, working)
        else:
            model = _read_folder(kind, path, working)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    model = model.eval().requires_grad_(False)
    if dtype == "fp8":
        model.use_fp8()
    return model.to(device)


def load_processor(kind: Any, folder: Path) -> Any:
    """A tokenizer or image processor of class ``kind`` from ``folder``.

    Raises:
        CheckpointError: the folder can't be read.
    """
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error


def part_dtypes(
    names: Iterable[str], asked: Mapping[str, str], trained: Mapping[str, str], device: str
) -> dict[str, str]:
    """The dtype of each part in ``names``: as ``asked``, else on a GPU as in the reference (``trained``), else fp32."""
    usual = trained if device != "cpu" else {}
    return {name: asked.get(name) or usual.get(name, "fp32") for name in names}


def _read_folder(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    if stored := read_json(folder / "config.json", _AGAIN).get("quantization_config"):
        raise CheckpointError(
            f"checkpoint {folder}: config.json says that {stored.get('quant_method')!r} stored its weights, which can "
            "be read from a single file only; set the part to the file with the weights, beside config.json."
        )
    if is_of_diffusers(kind):  # compare with the headers first, before gigabytes are read
        shapes = {
            name: entry.shape
            for file in weight_files(folder, _AGAIN)
            for name, entry in read_header(file, _AGAIN).items()
        }
        check_shapes(kind, kind.load_config(folder, local_files_only=True), shapes, folder)
    model, report = kind.from_pretrained(folder, torch_dtype=dtype, local_files_only=True, output_loading_info=True)
    wrong = [*report["missing_keys"], *report.get("mismatched_keys", ())]
    if wrong:
        raise CheckpointError(
            f"checkpoint {folder}: weights {wrong[0]!r} ({len(wrong)} in all) are missing or misshapen."
        )
    return model


def check_shapes(kind: Any, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Compare names and ``shapes`` of the weights in ``path`` with what ``kind`` needs.

    Raises:
        CheckpointError: names the first weight that is missing, misshapen or too many.
    """
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in built(kind, config).state_dict().items()}
    for problem, names in (
        ("missing", [name for name in wanted if name not in shapes]),
        ("misshapen", [name for name in wanted if name in shapes and shapes[name] != wanted[name]]),
        ("unknown", [name for name in shapes if name not in wanted]),
    ):
        if names:
            expected = (
                f": {list(shapes[names[0]])} in place of {list(wanted[names[0]])}" if problem == "misshapen" else ""
            )
            raise CheckpointError(
                f"checkpoint {path}: weights {names[0]!r} ({len(names)} in all) are {problem} for its "
                f"configuration{expected}; it is another model, or another part of one."
            )


def working_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """What a part of this dtype computes in on ``device``."""
    if dtype in ("fp8", GGUF):
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    return TORCH_DTYPES[dtype]


_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return CheckpointError(f"checkpoint component {path} can't be loaded ({reason}); {_AGAIN}.")
