"""A store, artifacts and the bundled model, without Ray."""

from tests.support.farms import Farm, alone, reference, tiny

__all__ = ["Farm", "alone", "reference", "tiny"]
