"""Step caches: skip work in steps whose result would hardly change."""

from .base import StepCache
from .choose import step_cache

__all__ = ["StepCache", "step_cache"]
