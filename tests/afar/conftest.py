"""Rays of their own: this folder comes before ``cluster``, whose Ray this process stays connected to."""

from tests.support.farms import alone, reference, tiny

__all__ = ["alone", "reference", "tiny"]
