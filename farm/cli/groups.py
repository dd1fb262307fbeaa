"""Options that several commands share, as one group each: a command takes the group, typer sees its options."""

import inspect
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, get_type_hints


def takes(group: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: a command gets ``given``, the values of the group's options by their names, beside its own options.

    Args:
        group: a class whose annotated attributes are options of typer, and their values the defaults.
    """
    hints = get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(name, kind, default=getattr(group, name), annotation=hint) for name, hint in hints.items()
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [each.replace(kind=kind) for each in signature.parameters.values() if each.name != "given"]
        first = [each for each in own if each.default is inspect.Parameter.empty]

        def run(**values: Any) -> None:
            given: Mapping[str, Any] = {name: values.pop(name) for name in hints}
            command(given=given, **values)

        update_wrapper(run, command)
        parameters = [*first, *shared, *(each for each in own if each not in first)]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate
