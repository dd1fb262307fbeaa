"""Reading a checkpoint's components into memory, with errors that name the file."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from farm.errors import CheckpointError


def load_weights(kind: Any, folder: Path, device: torch.device) -> Any:
    """An instance of the model class ``kind`` from ``folder``, in fp32 evaluation mode on ``device``.

    Raises:
        CheckpointError: the folder can't be read, or does not hold exactly the weights of its configuration.
    """
    disable_progress_bar()
    try:
        model, report = kind.from_pretrained(
            folder, torch_dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error
    wrong = [*report["missing_keys"], *report.get("mismatched_keys", ())]
    if wrong:
        raise CheckpointError(
            f"checkpoint {folder}: weights {wrong[0]!r} ({len(wrong)} in all) are missing or misshapen."
        )
    return model.to(device).eval().requires_grad_(False)


def load_processor(kind: Any, folder: Path) -> Any:
    """A tokenizer or image processor of class ``kind`` from ``folder``.

    Raises:
        CheckpointError: the folder can't be read.
    """
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error


_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def _unreadable(folder: Path, error: Exception) -> CheckpointError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return CheckpointError(f"checkpoint component {folder} can't be loaded ({reason}); copy or download it again.")
