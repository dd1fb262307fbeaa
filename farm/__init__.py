"""A distributed render farm for long videos made by FramePack-family models."""

__version__ = "0.1.0"
