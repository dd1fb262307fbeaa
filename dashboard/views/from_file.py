"""Settings from a file: a result of the farm, or of FramePack-Studio, becomes the draft; its queue becomes jobs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from pydantic import ValidationError

from dashboard import farm_access, looks
from dashboard.ranges import default
from farm.errors import FarmError, InputError
from farm.intake import studio
from farm.intake.settings_files import Found, read_settings
from farm.jobs.batch import new_batch
from farm.jobs.submission import Submission
from farm.processes import scratch_folder
from model.footage.media import Media

TYPES = ["mp4", "mov", "mkv", "webm", "png", "json", "zip"]
Load = Callable[[dict[str, Any], Media], None]


def show(models: Mapping[str, dict[str, Any]], load: Load) -> None:
    """The place to drop it. ``models``: those that can be used, by name; ``load``: makes a whole request the draft.

    Drawn before the draft's own widgets, whose values it sets.
    """
    state = st.session_state
    with st.expander("Settings from a file", icon=":material/upload_file:"):
        upload = st.file_uploader(
            "A video, contact sheet or JSON of the farm; JSON, PNG or queue of FramePack-Studio", type=TYPES
        )
        if upload is not None:
            mark = hashlib.sha256(upload.getvalue()).hexdigest()
            try:
                found = _read(upload.name, upload.getvalue())
                if len(found) > 1:
                    _offer(upload.name, found)
                elif state.get("draft_file") != mark:
                    state["draft_told"] = _take(upload.name, found[0], models, load)
                state["draft_file"] = mark
            except FarmError as error:
                farm_access.show_error(error)
            for note in state.get("draft_told", ()):
                st.caption(looks.plain(note))


@st.cache_data(ttl=600, max_entries=8, show_spinner="Reading the file")
def _read(name: str, data: bytes) -> list[Found]:
    with scratch_folder("settings") as folder:
        path = Path(folder) / f"file{Path(name).suffix}"
        path.write_bytes(data)
        try:
            return read_settings(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None


def _take(name: str, found: Found, models: Mapping[str, dict[str, Any]], load: Load) -> list[str]:
    """Make it the draft; what a person should know of that."""
    fields, notes = ours(found.fields, models)
    try:
        request = Submission.model_validate({"prompt": " ", **fields}).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{name}: {where}: {first['msg']}.") from None
    if request["model_type"] not in models:
        other = next(iter(models))
        notes.append(f"model {request['model_type']} can't be used here; {other} is chosen.")
        request["model_type"] = other
    request["order"] = fields.get("order") or models[request["model_type"]]["default_order"]
    load({**request, "prompt": request["prompt"].strip()}, found.media)
    st.session_state["draft_random_seed"] = fields.get("seed", -1) == -1
    return [f"The settings of {name} are below.", *notes]


def ours(fields: Mapping[str, Any], models: Mapping[str, dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Fields of a request from those of a file, and notes on what FramePack-Studio calls otherwise."""
    given = {studio.ALIASES.get(name, name): value for name, value in fields.items() if value is not None}
    if not studio.is_studio(given):
        return given, []
    name = studio.model_named(given.get("model_type", default("model_type")))
    model = models.get(str(name)) or next(iter(models.values()))
    sizes = sorted({model["resolution"], *model["resolutions"]})
    return studio.translate({**given, "model_type": name}, list(Submission.model_fields), sizes, model["window"])


def _offer(name: str, found: Sequence[Found]) -> None:
    st.markdown(f"{looks.plain(name)} holds {len(found)} jobs.")
    if not st.button(f"Queue all {len(found)}", icon=":material/send:", type="primary"):
        return
    batch = st.session_state.setdefault(f"offer-{name}", new_batch())
    shown = st.progress(0.0)
    for number, one in enumerate(found, 1):
        try:  # what was queued before, at an earlier try, is not queued again
            farm_access.client().submit(one.media, {**one.fields, "batch": batch}, f"{batch}-{number}")
        except FarmError as error:
            raise InputError(f"{number - 1} of {len(found)} are queued; the next one can't be: {error}") from None
        shown.progress(number / len(found), f"{number} of {len(found)} queued")
    del st.session_state[f"offer-{name}"]
    looks.go("queue")
