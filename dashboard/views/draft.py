"""The draft of a video: what the Submit page's widgets hold, in the session's state under keys that begin with
``draft_``. It outlives pages, reloads, and being submitted."""

import uuid
from typing import Any

import streamlit as st

from dashboard import shelf
from dashboard.ranges import default, ends
from dashboard.views import advanced, exports, loras, media, several
from farm.intake.families import of_family
from model.footage.media import Media

OWN = ("n_prompt", "total_second_length", "order", "exact_length", "priority", "model_type", "draft")
"""Fields that a preset may set, and leaves as they are when it does not name them."""
KEPT = (*advanced.FIELDS, *OWN, "prompt", "name", "preset", "seed")
"""Fields of a request with a widget whose key is ``draft_`` and the field's name."""
MORE = ("random_seed", "image", "image_name", "media", "seconds", "more_images")
"""What else belongs to it."""


def keep() -> None:
    """Called on every run of any page: Streamlit forgets widgets that a page does not draw, and all after a reload."""
    state = st.session_state
    shelf.restore("draft")
    for key in _keys():
        if key in state:
            state[key] = state[key]


def put_by() -> None:
    """Keep it for after a reload."""
    shelf.put("draft", _keys())


def begin(presets: list[dict[str, Any]], models: dict[str, Any]) -> None:
    """Fill an empty draft; mend one that names a preset or model that is gone."""
    state = st.session_state
    if state.get("draft_model_type") not in models:
        state["draft_model_type"] = next(iter(models))
    names = [preset["name"] for preset in presets]
    if state.get("draft_new_preset") in names:  # just saved from what the page shows
        state["draft_preset"] = state.pop("draft_new_preset")
    if state.get("draft_preset") not in names:
        model = state["draft_model_type"]
        state["draft_preset"] = next((each["name"] for each in presets if model in each["default_for"]), names[0])
        apply_preset(presets, models)
    for field, value in {
        "prompt": "",
        "name": "",
        "n_prompt": "",
        "total_second_length": default("total_second_length"),
        "order": models[state["draft_model_type"]]["default_order"],
        "random_seed": True,
        "seed": str(default("seed")),
        "exact_length": False,
        "priority": default("priority"),
        "draft": default("draft"),
    }.items():
        state.setdefault(f"draft_{field}", value)
    state.setdefault("draft_key", uuid.uuid4().hex)
    exports.begin()
    loras.begin()
    media.begin()
    several.begin()


REPLACES = "replaces"
"""In the session's state: the job whose place is taken by what is queued, see ``replacing``."""


def choose_model(presets: list[dict[str, Any]], models: dict[str, Any]) -> None:
    """Called when another model was chosen: one that has defaults of its own gets them, and takes them away again."""
    state = st.session_state
    model = models[state["draft_model_type"]]
    if bool(model["defaults"]) or state.get("draft_of_family"):
        state["draft_n_prompt"] = ""
        apply_preset(presets, models)
        state["draft_order"] = model["default_order"]


def apply_preset(presets: list[dict[str, Any]], models: dict[str, Any]) -> None:
    """Set what the preset sets, and put the rest back to its default, which may be the model's own; the prompt stays
    the user's."""
    state = st.session_state
    preset = next(preset for preset in presets if preset["name"] == state["draft_preset"])
    model = models.get(preset["values"].get("model_type")) or models[state["draft_model_type"]]
    state["draft_of_family"] = bool(model["defaults"])
    values = of_family(preset["values"], (), model["defaults"], model["without"], preset["source"] == "built-in")
    for field in (*advanced.FIELDS, *media.FIELDS):
        state[f"draft_{field}"] = values.get(field, default(field))
    for field in OWN:
        if field in values:
            state[f"draft_{field}"] = values[field]
    if {"exporter", "exports", "post"} & values.keys():
        exports.load(values)
    if "loras" in values:
        loras.load(values["loras"])
    if "seed" in values:
        state["draft_seed"], state["draft_random_seed"] = str(values["seed"]), False


def load(request: dict[str, Any], files: Media, keeps_image: bool = False) -> None:
    """Take over a job's request, to change it and submit it again; of a draft, what it is a draft of.

    ``keeps_image``: the draft's own start image stays where the job brings none. Nothing is replaced by what is queued.
    """
    state = st.session_state
    state.pop(REPLACES, None)
    request = {**request, **(request.get("full") or {})}
    for field in KEPT:
        state[f"draft_{field}"] = str(request[field]) if field == "seed" else request[field]
    state["draft_random_seed"] = False
    exports.load(request)
    loras.load(request["loras"])
    media.load(request, files)
    several.reset()
    if files.image is None and not keeps_image:
        state.pop("draft_image", None)
    if files.image is not None:
        state["draft_image"] = files.image
        state["draft_image_name"] = f"image of {request['name'] or 'the earlier video'}"


def fields() -> dict[str, Any]:
    """The draft as fields of a request; every value that the page shows is sent."""
    state = st.session_state
    found = {field: state[f"draft_{field}"] for field in KEPT}
    found |= {"loras": loras.fields(), **media.fields(), **exports.fields()}
    return {**found, "seed": -1 if state["draft_random_seed"] else seed()}


def seed() -> int | None:
    """The seed as it stands there, which browsers' numbers could not hold; None when it is none."""
    text = st.session_state["draft_seed"].strip()
    low, high = ends("seed")
    return int(text) if text.isdecimal() and low <= int(text) < high else None


def _keys() -> list[str]:
    seconds = range(len(st.session_state.get("draft_seconds", ())))
    named = [f"draft_{field}" for field in (*KEPT, *MORE, *media.FIELDS, *several.FIELDS)]
    return [*named, *loras.keys(), *exports.keys(), *(f"draft_second_{i}" for i in seconds)]
