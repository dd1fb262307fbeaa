"""Post-processing: what becomes of a video's frames between the model and the exporter."""

from .base import PostProcessor, Shape

__all__ = ["PostProcessor", "Shape"]
