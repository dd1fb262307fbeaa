"""diffusers' caches for one section: hooks on the transformer, with a cache context for each CFG branch.

diffusers' own pipeline for FramePack sets no context and carries states from one section into the next. Here the hooks
are made for a section and removed after it, however it ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from .base import StepCache


class HookCache(StepCache):
    """A cache of diffusers that is enabled on ``transformer``."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self._transformer = transformer
        self._states = next(iter(state_managers(transformer)))

    @contextmanager
    def branch(self, name: str) -> Iterator[None]:
        with self._transformer.cache_context(name), super().branch(name):
            yield

    def _ran(self, name: str) -> bool:
        state = self._states.get_state()
        if hasattr(state, "should_compute"):
            return bool(state.should_compute)
        return bool(state.last_update_step == state.current_step)  # TaylorSeer's


@contextmanager
def hook_cache(transformer: Any, config: Any) -> Iterator[HookCache]:
    """Enable the cache that ``config`` (of diffusers) describes on ``transformer`` inside the block."""
    transformer.enable_cache(config)
    try:
        yield HookCache(transformer)
    finally:
        transformer._reset_stateful_cache()
        transformer.disable_cache()


def state_managers(transformer: nn.Module) -> Iterator[Any]:
    """Those of all cache hooks, in the order of modules; hooks of one cache may share theirs."""
    for module in transformer.modules():
        registry = getattr(module, "_diffusers_hook", None)
        for hook in registry.hooks.values() if registry else ():
            if hasattr(hook, "state_manager"):
                yield hook.state_manager
