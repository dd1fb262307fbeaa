"""Labels: words on nodes by which jobs say where they may run. One place for what a label may look like."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_LABELS = 16

Label = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$")]
"""Small letters, digits, and dots, dashes and underscores in between, such as ``studio`` or ``rack-2``."""


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Each once, sorted, so that equal sets are equal."""
    return tuple(sorted(set(labels)))


Labels = Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS), AfterValidator(in_order)]
