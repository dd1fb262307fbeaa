"""For authors of plug-ins: what the farm asks of them, as test classes to inherit. They need pytest and no GPU."""

from .exporters import ExporterContract
from .plugins import PluginContract

__all__ = ["ExporterContract", "PluginContract"]
