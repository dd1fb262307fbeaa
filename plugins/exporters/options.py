"""Options of exporters: from the fields of a model to a form, and from what a person typed to checked values.

A plug-in states its options as a pydantic model, which only its own process can import. What the farm knows of them,
one ``Option`` a field, is enough to draw a form and to refuse a wrong value before anything is rendered.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from farm.errors import InputError, PluginError, unknown_name

Value = bool | int | float | str | None
_KINDS: Mapping[str, type] = {"integer": int, "number": float, "boolean": bool, "string": str}


class Option(BaseModel):
    """One option as a form shows it.

    ``kind``: of its value. ``default``: None when the exporter finds it itself, as the description says. ``minimum``
    and ``maximum``: ends of a number's range, both allowed. ``choices``: all that a text may be; empty: any.
    ``disabled``: choices that can't be used on this machine, and why.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["integer", "number", "boolean", "string"]
    default: Value = None
    minimum: float | None = None
    maximum: float | None = None
    longest: int | None = None
    choices: tuple[str, ...] = ()
    disabled: dict[str, str] = {}
    description: str = ""


def options_of(model: type[BaseModel] | None) -> tuple[Option, ...]:
    """The fields of an exporter's ``options`` as a form shows them.

    Raises:
        PluginError: a field is no number, text, choice of texts, or yes or no; says which.
    """
    if model is None:
        return ()
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise PluginError(f"its options are {model!r}; expected a class made from pydantic.BaseModel.")
    return tuple(_option(name, field) for name, field in model.model_json_schema()["properties"].items())


def _option(name: str, field: Mapping[str, Any]) -> Option:
    facts = dict(field)
    for kind in facts.pop("anyOf", ()):  # X or None
        if kind.get("type") != "null":
            facts = {**facts, **kind}
    choices = [facts["const"]] if "const" in facts else facts.get("enum", ())
    if facts.get("type") not in _KINDS or not all(isinstance(choice, str) for choice in choices):
        raise PluginError(
            f"its option {name!r} is no number, text, choice of texts, or yes or no, so no form shows it."
        )
    return Option(
        name=name,
        kind=facts["type"],
        default=facts.get("default"),
        minimum=facts.get("minimum"),
        maximum=facts.get("maximum"),
        longest=facts.get("maxLength"),
        choices=tuple(choices),
        disabled=facts.get("disabled", {}),
        description=facts.get("description", ""),
    )


def checked_options(whose: str, options: Sequence[Option], given: Mapping[str, Value]) -> dict[str, Any]:
    """What was given of the options of ``exporter webm``, with texts such as ``"30"`` as the values that they mean.

    Raises:
        InputError: there is no such option, its value is out of range, or can't be used here.
    """
    known = {option.name: option for option in options}
    found: dict[str, Any] = {}
    for name, value in given.items():
        option = known.get(name)
        if option is None:
            raise unknown_name(f"option of {whose}", name, list(known))
        found[name] = _value(whose, option, value)
    return found


def _value(whose: str, option: Option, value: Value) -> Any:
    if option.choices and isinstance(value, str):
        value = value.strip().lower()
    if reason := option.disabled.get(str(value)):
        raise InputError(f"{option.name} {value} of {whose} can't be used: {reason}")
    limits: dict[str, Any] = {"allow_inf_nan": False} if option.kind == "number" else {}
    if option.kind in ("integer", "number"):
        limits |= {"ge": option.minimum, "le": option.maximum}
    elif option.kind == "string":
        limits |= {"max_length": option.longest}
    of: Any = Literal[option.choices] if option.choices else _KINDS[option.kind]
    try:
        return TypeAdapter(Annotated[of, Field(**limits)] if not option.choices else of).validate_python(value)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Input ").rstrip(".")
        raise InputError(f"option {option.name} of {whose} is {value!r}; it {said}.") from None
