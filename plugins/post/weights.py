"""The weights of post-processors, by their hashes."""

from pathlib import Path

from model.settings import ModelSettings
from model.weights import known_sha256

from ..manager import OfferedPostProcessor


def weights_sha256(processor: OfferedPostProcessor, settings: ModelSettings) -> list[str]:
    """Of each of its files; ``settings``: of this machine. OSError when one can't be read."""
    return [known_sha256(Path(path), settings) for path in processor.weights]


def content_of(processor: OfferedPostProcessor, settings: ModelSettings) -> str:
    """What it is on whichever machine: its plug-in's content, and its weights."""
    return " ".join((processor.source.content(), *weights_sha256(processor, settings)))
