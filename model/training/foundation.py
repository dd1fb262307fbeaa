"""What a packed model is made from: a family with another layout, order or base in place of its own."""

from dataclasses import replace

from farm.errors import InputError
from model.checkpoint import Checkpoint, open_part, weights_sha256
from model.family import FamilyInfo
from model.plan import Layout, find_order
from model.settings import ModelSettings
from model.transformer.patchify import own_kernel

from .config import PackRecipe


def foundation(
    recipe: PackRecipe, info: FamilyInfo, checkpoint: Checkpoint, settings: ModelSettings
) -> tuple[FamilyInfo, Checkpoint]:
    """The family with the recipe's layout, order and base in place of its own.

    Raises:
        InputError: layout or order can't be used.
        CheckpointError: the base can't be read.
    """
    layout = Layout.parse(recipe.layout) if recipe.layout else info.layout
    if layout.discretised:
        raise InputError(f"layout {layout}: history that is discretised (+D) is not offered.")
    kernels_of(layout)
    order = find_order(recipe.order or default_order(layout)).name
    info = replace(info, layout=layout, orders=(order,), default_order=order)
    if recipe.base is None:
        return info, checkpoint
    if not recipe.base.is_dir():
        raise InputError(f"base {recipe.base}: no such folder; name the transformer's, as diffusers saves it.")
    kind = ("diffusers", "HunyuanVideoTransformer3DModel")
    part = open_part("transformer", recipe.base, kind, str(recipe.base), "correct base in the config", settings)
    parts = {**checkpoint.parts, "transformer": part}
    sha256 = weights_sha256(parts.values())
    return replace(info, checkpoint_sha256=sha256), replace(checkpoint, parts=parts, sha256=sha256)


def default_order(layout: Layout) -> str:
    """The order of the paper that a layout is made for: vanilla, inverted, or endpoints with context on both sides."""
    if not layout.right:
        return "vanilla"
    alone = sum(group.frames for group in layout.left) <= 1
    return "inverted" if alone else "endpoints"


def kernels_of(layout: Layout) -> tuple[str, ...]:
    """Names of the kernels with projections of their own that a layout uses, smallest first; InputError as there."""
    own = {own_kernel(group.kernel)[1] for group in layout.left + layout.right}
    return tuple(str(kernel) for kernel in sorted(own, key=lambda kernel: (kernel.volume, kernel.t, kernel.h)))
