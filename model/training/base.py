"""What a training stands on: a family's renderer, its weights placed so that gradients flow through them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from farm.errors import InputError
from model.checkpoint import Checkpoint
from model.device import GB, free_memory, open_device
from model.facts import family_names, renderer_class
from model.families.framepack.renderer import FramePackRenderer
from model.family import FamilyInfo
from model.kernels import MATMUL, NATIVE
from model.memory import Placement, footprint_of
from model.placement import LARGE, weight_bytes
from model.settings import ModelSettings
from model.weights import read_json

from .config import Recipe
from .memory import Shape, TrainingPlan, plan_training, small_plan
from .sections import Example


def check_trainable(family: str, settings: ModelSettings) -> None:
    """InputError unless training knows this kind of model, and the kernels of this machine have gradients."""
    if not issubclass(renderer_class(family), FramePackRenderer):
        known = [name for name in family_names() if issubclass(renderer_class(name), FramePackRenderer)]
        raise InputError(f"family {family!r} can't be trained here; those that can: {', '.join(known)}.")
    if settings.kernels.fp8:
        raise InputError(f"{MATMUL} is 'fp8': products in 8 bits have no gradients; unset it and train again.")


def plan_of(
    checkpoint: Checkpoint, info: FamilyInfo, examples: Sequence[Example], device: str, recipe: Recipe
) -> TrainingPlan:
    """The memory plan for these examples on ``device``; raises what ``plan_training`` does."""
    learning = recipe.learning
    config = _config(checkpoint)
    blocks = int(config["num_layers"]) + int(config["num_single_layers"])
    opened = open_device(device)
    if opened.type != "cuda" or weight_bytes(checkpoint) < LARGE:
        return small_plan(learning.memory, blocks)
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    shape = Shape(blocks, width, _most_tokens(info, checkpoint, examples), recipe.lora.rank)
    card, host = free_memory(opened) / GB, free_memory() / GB
    footprint, checkpointing = footprint_of(checkpoint), learning.checkpointing
    return plan_training(footprint, shape, card, host, name=learning.memory, checkpointing=checkpointing)


def open_renderer(
    info: FamilyInfo,
    checkpoint: Checkpoint,
    device: str,
    threads: int,
    plan: TrainingPlan,
    settings: ModelSettings,
) -> FramePackRenderer:
    """The family's renderer, its weights on the host as yet, on kernels that have gradients."""
    placement = Placement(
        plan.name, "for training", weight_bytes=1 if plan.fp8 else 2, drops_ahead=plan.swapped > 0, keeps=False
    )
    settings = replace(settings, kernels=replace(settings.kernels, attention=NATIVE))
    return FramePackRenderer(info, checkpoint, settings, device, threads, placement)


def _config(checkpoint: Checkpoint) -> Mapping[str, Any]:
    part = checkpoint.parts["transformer"]
    if part.path.is_dir():
        return read_json(part.path / "config.json", "copy it again")
    return checkpoint.config("transformer")


def _most_tokens(info: FamilyInfo, checkpoint: Checkpoint, examples: Sequence[Example]) -> int:
    text = int(checkpoint.family["max_text_tokens"]) + 729  # SigLIP's patches of 384 pixels
    buckets = {example.clip.bucket for example in examples}
    pixels = info.latent_pixels
    return text + max(info.layout.tokens(height // pixels, width // pixels) for height, width in buckets)
