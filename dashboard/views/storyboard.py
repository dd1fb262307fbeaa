"""Storyboard: a film's shots are arranged, looked at as a plan, and queued as one job."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
import tomli_w

from dashboard import farm_access, looks
from dashboard.ranges import ends, longest
from dashboard.views import media, replacing, shots, sound
from farm.errors import FarmError
from farm.films.reading import read_written
from farm.films.storyboard import OF_SHOTS, Storyboard
from farm.processes import scratch_folder
from farm.units import counted

FILES = ["toml", "txt", "md", "otio"]
_NAME, _MODEL, _PRESET, _STEPS = "film_name", "film_model", "film_preset", "film_steps"
_FIELDS = {_MODEL: "model_type", _PRESET: "preset", _STEPS: "steps"}
"""The fields of all shots that have a widget."""
_OWN, _TOP, _AUDIO = "film_own", "film_top", "film_audio"
"""What else a storyboard says of all shots, and of the film; its sound track."""


def page() -> None:
    """The page; with ``?job=`` it begins with that film's storyboard."""
    st.title("Storyboard")
    replacing.show()
    with farm_access.explained():
        models = {model["name"]: model for model in farm_access.models() if not model["error"]}
        presets = [preset["name"] for preset in farm_access.presets()["presets"]]
        shots.begin()
        _from_job()
    if not models:
        st.error("No model can be used; see Cluster.", icon=":material/error:")
        return
    board, whole = st.columns([7, 3], gap="large")
    with whole:
        _whole(list(models), presets)
        _files()
        _file()
    with board:
        shots.show()
    plan = _plan()
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", key="film-bar"):
        _queue(plan)


def _whole(models: list[str], presets: list[str]) -> None:
    """What is of the whole film."""
    for key, default in ((_NAME, "Film"), (_MODEL, models[0]), (_PRESET, presets[0]), (_STEPS, 0)):
        _kept(key, default)
    st.text_input("Name", key=_NAME, max_chars=longest("name"))
    st.selectbox("Model", models, key=_MODEL)
    st.selectbox("Preset", presets, key=_PRESET)
    st.number_input("Steps (0: the preset's)", 0, ends("steps")[1], key=_STEPS)


def _kept(key: str, default: Any) -> None:
    """A widget's value outlives its page; what a storyboard says of it goes in before it is drawn."""
    state = st.session_state
    state[key] = state.pop(f"{key}_next", None) or state.get(key, default)


def _files() -> None:
    state = st.session_state
    uploads = st.file_uploader(
        "Pictures", type=media.PICTURES, accept_multiple_files=True, help="Each shot can begin with one of them."
    )
    for upload in uploads:
        state["film_pictures"][upload.name] = upload.getvalue()
    track = st.file_uploader("Sound track", type=sound.KINDS, help="Lies under all shots.")
    if track is not None:
        state[_AUDIO], state[_TOP] = track.getvalue(), {**state.get(_TOP, {}), "audio": track.name}
    if name := state.get(_TOP, {}).get("audio"):
        st.caption(f"{looks.plain(name)}{'' if state.get(_AUDIO) else ': not here yet'}")
        if track is None and st.button("Without sound", icon=":material/close:"):
            state[_TOP] = {key: value for key, value in state[_TOP].items() if not key.startswith("audio")}
            state.pop(_AUDIO, None)
            st.rerun()


def _file() -> None:
    """From a file, and into one."""
    state = st.session_state
    upload = st.file_uploader(
        "From a file", type=FILES, help="TOML, a text with --- between its shots, or a timeline (.otio)."
    )
    mark = "" if upload is None else hashlib.sha256(upload.getvalue()).hexdigest()
    if upload is not None and state.get("film_file") != mark:
        try:
            _load(_read(upload.name, upload.getvalue()))
        except FarmError as error:
            farm_access.show_error(error)
        else:
            state["film_file"] = mark
            st.rerun()
    elif upload is None:
        state.pop("film_file", None)
    text = tomli_w.dumps(written())
    st.download_button("Save as a file", text, f"{state[_NAME] or 'film'}.toml", icon=":material/download:")


def _read(name: str, data: bytes) -> dict[str, Any]:
    with scratch_folder("storyboard") as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        return read_written(path)


def _load(found: Mapping[str, Any]) -> None:
    """Make a storyboard the page's; InputError when it is none."""
    Storyboard.of(found)
    state, every = st.session_state, dict(found.get("every") or {})
    top = {key: value for key, value in found.items() if key not in ("name", "every", "shots")}
    shots.put([{**{key: every[key] for key in OF_SHOTS if key in every}, **shot} for shot in found["shots"]])
    state[f"{_NAME}_next"] = found.get("name") or "Film"
    for key, name in _FIELDS.items():
        state.pop(key, None)
        state[f"{key}_next"] = every.pop(name, None) or top.pop(name, None)
    state[_OWN] = {key: value for key, value in every.items() if key not in OF_SHOTS}
    state[_TOP] = top


def _from_job() -> None:
    """The storyboard of the film that the address names, once."""
    job_id = st.query_params.pop("job", None)
    if not job_id:
        return
    client, state = farm_access.client(), st.session_state
    found = client.storyboard(job_id)
    _load(found["storyboard"])
    for name, artifact in found["files"].items():
        data = client.artifact(job_id, artifact)
        if name == found["storyboard"].get("audio"):
            state[_AUDIO] = data
        else:
            state["film_pictures"][name] = data


def written() -> dict[str, Any]:
    """The storyboard as its file has it."""
    state = st.session_state
    every = {"model_type": state[_MODEL], "preset": state[_PRESET], **state.get(_OWN, {})}
    if state[_STEPS]:
        every["steps"] = int(state[_STEPS])
    return {"name": state[_NAME], **state.get(_TOP, {}), "every": every, "shots": shots.written()}


def _plan() -> dict[str, Any] | None:
    """What the film would be, said below the shots; None when it can't be made."""
    lacking = [number for number, shot in enumerate(shots.written(), start=1) if not shot.get("prompt", "").strip()]
    if lacking:
        st.caption(f"Shot {lacking[0]} needs a prompt: say what happens in it.")
        return None
    try:
        found = _checked(farm_access.source(), json.dumps(written(), sort_keys=True), shots.pictures(), _audio())
    except FarmError as error:
        farm_access.show_error(error)
        return None
    for note in found["notes"]:
        st.caption(looks.plain(note))
    return dict(found["plan"])


def _audio() -> bytes | None:
    state = st.session_state
    return state.get(_AUDIO) if state.get(_TOP, {}).get("audio") else None


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def _checked(farm: str, text: str, pictures: dict[str, bytes], audio: bytes | None) -> dict[str, Any]:
    return farm_access.client().check_film(json.loads(text), pictures, audio)


def _queue(plan: dict[str, Any] | None) -> None:
    if st.button("Queue film", type="primary", icon=":material/send:", disabled=plan is None, shortcut="Ctrl+Enter"):
        try:
            job = farm_access.client().film(written(), shots.pictures(), _audio())
        except FarmError as error:
            farm_access.show_error(error)
            return
        replacing.finish(job["id"])
        looks.go("job", id=job["id"])
    if plan is None:
        st.caption("What is wrong is said below the shots.")
        return
    videos, sections = counted(len(plan["shots"]), "video"), counted(plan["sections"], "section")
    parts = (f"{plan['seconds']:.2f} s", f"{videos} side by side", sections)
    st.caption(" · ".join(parts) + (f", {plan['width']} at once" if plan["width"] > 1 else ""))
