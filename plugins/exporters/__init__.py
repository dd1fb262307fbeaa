"""Exporters: what turns a video's frames into a file."""

from .base import Exporter, ExportInfo, Options

__all__ = ["ExportInfo", "Exporter", "Options"]
