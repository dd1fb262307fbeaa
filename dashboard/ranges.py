"""The ranges of widgets are those of the request's fields: they stand there once, and are read from there."""

from typing import Any

from farm.jobs.submission import Submission


def default(field: str) -> Any:
    """What a request has when nothing is said."""
    return Submission.model_fields[field].get_default()


def ends(field: str) -> tuple[Any, Any]:
    """Smallest and largest value of a field of numbers, as its type; a bound that is itself excluded counts as one."""
    rules = Submission.model_fields[field].metadata
    low, high = (_bound(rules, *names) for names in (("ge", "gt"), ("le", "lt")))
    is_float = "float" in str(Submission.model_fields[field].annotation)
    return (float(low), float(high)) if is_float else (low, high)


def longest(field: str) -> int:
    """Characters that a field of text may have."""
    return int(_bound(Submission.model_fields[field].metadata, "max_length"))


def _bound(rules: list[Any], *names: str) -> Any:
    return next(getattr(rule, name) for rule in rules for name in names if hasattr(rule, name))
