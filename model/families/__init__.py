"""Model families: a folder for each with its facts as data and what only it does, and the registry of all.

``describe(name, settings)`` gives torch-free facts, ``load(name, settings, device)`` reads a checkpoint into memory. A
plug-in brings another family through ``farm_families`` (plugins/hookspecs.py).
"""

from .registry import FAMILIES, PUPPET, BundledFamily, ReleasedFamily, checkpoint, describe, load

__all__ = [
    "FAMILIES",
    "PUPPET",
    "BundledFamily",
    "ReleasedFamily",
    "checkpoint",
    "describe",
    "load",
]
