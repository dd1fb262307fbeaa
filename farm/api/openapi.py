"""The API's description, completed: the JSON that travels in the form field ``request`` gets its schema."""

from typing import Any

from fastapi import FastAPI

from farm.jobs.request import MAX_SECONDS
from farm.jobs.submission import Submission

REQUEST_EXAMPLE = {
    "prompt": "The puppet dances, waving both arms.",
    "total_second_length": 10,
    "preset": "Dance",
    "order": "bisect",
    "seed": 31337,
}

REF = "#/components/schemas/"
FIELDS = "RequestFields"
FORM = "request"


def complete_description(app: FastAPI) -> None:
    """Make ``/openapi.json`` say what ``request`` holds."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe_request(plain())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def request_fields() -> dict[str, Any]:
    """JSON schema of what a user sends: Submission's fields, none but the prompt needed, in the forms taken.

    A field that is null counts as absent. A seed of -1 draws one. Hashes may be left out; keyframes may be seconds, and
    LoRAs names with a weight behind a colon.
    """
    schema = Submission.model_json_schema(ref_template=f"{REF}{{model}}")
    fields: dict[str, Any] = schema["properties"]
    seconds = {"type": "number", "minimum": 0, "maximum": MAX_SECONDS}
    frame = {"type": "object", "properties": {"second": seconds}, "required": ["second"]}
    fields["keyframes"]["items"] = {"anyOf": [seconds, frame]}
    fields["loras"]["items"] = {
        "anyOf": [{"type": "string", "examples": ["ink:0.8"]}, {"$ref": f"{REF}Lora"}],
    }
    fields["seed"]["minimum"] = -1
    for name, field in fields.items():
        if name != "prompt":
            fields[name] = _or_null(field)
    return {
        "title": FIELDS,
        "description": "What to render; what is absent comes from the preset. FramePack-Studio's names are taken too.",
        "examples": [REQUEST_EXAMPLE],
        "type": "object",
        "properties": fields,
        "required": ["prompt"],
        "additionalProperties": False,
    }


def _or_null(field: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {key: field[key] for key in ("title", "description", "default") if key in field}
    rest = {key: value for key, value in field.items() if key not in said}
    kinds = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {**said, "anyOf": kinds if {"type": "null"} in kinds else [*kinds, {"type": "null"}]}


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    return {key: value for key, value in field.items() if key != "anyOf"} | kinds[0] if len(kinds) == 1 else field


def _describe_request(schema: dict[str, Any]) -> None:
    known = schema["components"]["schemas"]
    known[FIELDS] = request_fields()
    for path in schema["paths"].values():
        for operation in path.values():
            form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
            if form is None:
                continue
            fields = known[form["schema"]["$ref"].removeprefix(REF)]["properties"]
            for name, field in fields.items():
                fields[name] = _without_null(field)  # a form leaves out what there is not
            if FORM in fields:
                fields[FORM] = {"$ref": f"{REF}{FIELDS}"}
                form["encoding"] = {FORM: {"contentType": "application/json"}}
