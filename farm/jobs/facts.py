"""How an attempt's result was made: texts in the header of its file, values in its row."""

import json
from collections.abc import Callable, Mapping
from typing import Any

_TYPES: dict[str, Callable[[str], Any]] = {
    "seconds": float,
    "steps": int,
    "computed": json.loads,
    "loras": json.loads,
    "quality": json.loads,
    "gate": json.loads,
}


def seconds_of(facts: Mapping[str, Any]) -> float:
    """What an attempt took, the loading of its model left out; 0 when unknown."""
    seconds = facts.get("seconds", facts.get("whole_seconds", 0.0))
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def typed_facts(header: Mapping[str, str]) -> dict[str, Any]:
    """The facts in a file's header as values: seconds, steps, steps computed, LoRAs; the rest as texts.

    What only says which file it is, and what it was made from, is left out.
    """
    return {
        name: _TYPES.get(name, str)(text)
        for name, text in header.items()
        if name not in ("job", "section", "attempt") and not name.startswith("input.")
    }
