"""The reference pages that the code itself writes: commands, and the routes and fields of the HTTP API."""

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer.main
from typer.cli import get_docs_for_click

from farm.api.app import create_app
from farm.cli.app import app
from farm.settings import Settings

Schema = Mapping[str, Any]
SAME_ON_ALL = frozenset({401, 403, 405, 408, 411, 413, 503, 507})
"""Answers that every route may give."""


def write(folder: Path) -> None:
    """Write the pages into ``folder``; those that are the same stay untouched, so that they are not built again."""
    folder.mkdir(exist_ok=True)
    for name, text in {"cli": commands(), "http": routes()}.items():
        page = folder / f"{name}.md"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def commands() -> str:
    """Every command with its options, as ``--help`` has them."""
    root = typer.main.get_command(app)
    with root.make_context("farm", [], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=root, ctx=context, name="farm", title="Commands")
    plain = re.sub(r"\[/?(?:bold)?\]", "", html.unescape(text))
    return re.sub(r"\[(?:required|default|env var): .*?\]$", lambda found: f"`{found[0]}`", plain, flags=re.MULTILINE)


def routes() -> str:
    """Every route of the HTTP API by its subject, then the fields of a job."""
    with TemporaryDirectory() as home:
        described = _without_references(create_app(Settings.for_home(Path(home))).openapi())
    subjects: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            subjects.setdefault(operation["tags"][0], []).extend(_route(method, path, operation))
    fields = described["components"]["schemas"]["RequestFields"]
    lines = [
        "# HTTP API",
        "",
        described["info"]["description"].strip(),
        "",
        "A running farm shows the same at `/docs`.",
    ]
    for subject, found in subjects.items():
        lines += ["", f"## {subject.capitalize()}", *found]
    lines += ["", "## Fields of a job", "", "What `request` of `POST /api/v1/jobs` may say.", "", *_table(fields)]
    return "\n".join(lines) + "\n"


def _without_references(described: dict[str, Any]) -> dict[str, Any]:
    """The same, with the choices and forms that parameters refer to in their place."""
    known = described["components"]["schemas"]

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            name = value.get("$ref", "").rpartition("/")[2]
            named = known.get(name, {})
            if "enum" in named or named.get("type") == "object":
                return {"title": name, **{key: named[key] for key in ("type", "enum") if key in named}}
            return {key: resolved(each) for key, each in value.items()}
        return [resolved(each) for each in value] if isinstance(value, list) else value

    return dict(resolved(described))


def _route(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield from ("", f"### {operation['summary']}", "", f"`{method.upper()} {path}`")
    if operation.get("description"):
        yield from ("", operation["description"])
    parameters = operation.get("parameters", [])
    if parameters:
        yield from ("", "| Parameter | In | Values | Meaning |", "|---|---|---|---|")
    for each in parameters:
        meaning = _cell(each.get("description", ""))
        yield f"| `{each['name']}` | {each['in']} | {_values(each['schema'])} | {meaning} |"
    for code, answer in operation["responses"].items():
        if not code.startswith("2") and int(code) not in SAME_ON_ALL and code not in ("404", "409", "422"):
            yield from ("", f"{code}: {answer['description']}.")


def _table(schema: Schema) -> Iterator[str]:
    yield from ("| Field | Values | Default | Meaning |", "|---|---|---|---|")
    for name, each in schema["properties"].items():
        default = f"`{each['default']}`" if each.get("default") not in (None, "") else ""
        yield f"| `{name}` | {_values(each)} | {_cell(default)} | {_cell(each.get('description', ''))} |"


def _values(schema: Schema) -> str:
    """Such as ``integer, 1 to 100``."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_values(each) for each in schema["anyOf"] if each.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = f"list of {_values(schema['items'])}" if "items" in schema else str(schema.get("type", "any"))
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    limits = [f"from {least}" if least is not None else "", f"to {most}" if most is not None else ""]
    return " ".join(filter(None, [kind, *limits]))


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
