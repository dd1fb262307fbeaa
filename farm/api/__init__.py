"""The HTTP API: ``create_app`` builds it, ``serve`` runs it on Ray Serve."""

from .app import create_app

__all__ = ["create_app"]
