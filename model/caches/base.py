"""What a step cache is: a way to call the transformer for less, with a record of what was computed."""

from collections.abc import Iterator
from contextlib import contextmanager


class StepCache:
    """Computes every step; the base of those that do not. One for one section.

    ``computed`` maps each CFG branch to one bool a step: whether the blocks ran, or what they gave earlier was used.
    """

    def __init__(self) -> None:
        self.computed: dict[str, list[bool]] = {}

    @contextmanager
    def branch(self, name: str) -> Iterator[None]:
        """Surrounds one call of the transformer for the CFG branch ``name``, whose state mixes with no other's."""
        yield
        self.computed.setdefault(name, []).append(self._ran(name))

    def _ran(self, name: str) -> bool:
        """Whether the call that has just been made ran the blocks."""
        return True
