"""The typed HTTP client: one method per route, raising the same errors that the farm raised."""

from .farm import FarmClient
from .transport import Json

__all__ = ["FarmClient", "Json"]
