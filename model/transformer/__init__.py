"""The packed transformer of the FramePack family."""

from .acceleration import accelerate
from .inputs import ContextGroup, SectionInputs, gather_context
from .memo import SectionMemo
from .packed import PackedTransformer
from .patchify import extra_kernels

__all__ = [
    "ContextGroup",
    "PackedTransformer",
    "SectionInputs",
    "SectionMemo",
    "accelerate",
    "extra_kernels",
    "gather_context",
]
