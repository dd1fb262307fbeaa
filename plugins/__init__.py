"""Plug-ins: hook specifications, the manager that loads them, presets and exporters."""

from .hookspecs import hookimpl

__all__ = ["hookimpl"]
