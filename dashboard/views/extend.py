"""Presets & plug-ins: what there is, where it comes from, why something is broken; presets are changed here, too."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import preset_form
from farm.errors import FarmError, InputError
from farm.texts import json_or_text
from plugins.presets import DEFAULT

Preset = Mapping[str, Any]


def page() -> None:
    """The page."""
    st.title("Presets & plug-ins")
    with farm_access.explained():
        presets, plugins = farm_access.client().presets(), farm_access.client().plugins()
        exporters = farm_access.exporters()
        models = [model for model in farm_access.models() if not model["error"]]
        admin = farm_access.me()["role"] == "admin"
    for broken in presets["broken"]:
        st.error(f"**Broken preset file** `{broken['path']}`: {looks.plain(broken['reason'])}", icon=":material/error:")
    for plugin in plugins:
        if not plugin["enabled"]:
            reason = looks.plain(plugin["reason"])
            st.error(
                f"**Plug-in {plugin['name']} is disabled.** {reason} (`{plugin['source']}`)", icon=":material/error:"
            )
    st.markdown("##### Presets")
    st.caption("*Save* on the Submit page makes one of what that page shows. Yours can be changed and deleted here.")
    if admin:
        _defaults(presets["presets"], models)
    for start in range(0, len(presets["presets"]), 3):
        for column, preset in zip(st.columns(3), presets["presets"][start : start + 3], strict=False):
            with column, st.container(border=True, height="stretch", key=f"preset-{preset['name']}"):
                _preset(preset)
    st.markdown("##### Plug-ins")
    for plugin in plugins:
        if plugin["enabled"]:
            with st.container(border=True):
                st.markdown(f"**{looks.plain(plugin['name'])}** {plugin['version']}")
                offers = ", ".join(plugin["offers"]) or "nothing"
                st.caption(f"offers {looks.plain(offers)} · from {looks.plain(plugin['source'])}")
    st.caption("Exporters: " + ", ".join(f"{e['name']} ({e['extension']})" for e in exporters))


def _defaults(presets: list[dict[str, Any]], models: list[dict[str, Any]]) -> None:
    """Which preset each model starts with."""
    names = [preset["name"] for preset in presets]
    with st.container(horizontal=True):
        for model in models:
            now = next((preset["name"] for preset in presets if model["name"] in preset["default_for"]), DEFAULT)
            told = "What the Submit page opens with, and what a request has that names no preset"
            chosen = st.selectbox(
                f"Default of {model['name']}", names, names.index(now), key=f"default-{model['name']}-{now}", help=told,
                width=240,
            )  # fmt: skip
            if chosen != now:
                _done(partial(farm_access.client().set_default_preset, model["name"], chosen))


def _preset(preset: Preset) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{looks.plain(preset['name'])}**", width="content")
        for model in preset["default_for"]:
            st.badge(f"default of {model}", color="blue")
    st.caption(looks.plain(preset["description"]))
    looks.facts({key: f"{value}" for key, value in preset["values"].items()})
    if preset["source"] != "built-in":
        whose = f", saved by {preset['owner']}" if preset["owner"] else ""
        st.caption(f"from {looks.plain(preset['source'] + whose)}")
    if preset["own"]:
        with st.container(horizontal=True):
            _edit(preset)
            _delete(preset["name"])


def _edit(preset: Preset) -> None:
    name = preset["name"]
    with st.popover("Edit", icon=":material/edit:"), st.form(f"edit-{name}", border=False):
        most = preset_form.longest("description")
        description = st.text_input("What it is for", preset["description"], max_chars=most)
        prompts = st.text_area("Prompts to suggest, one a line", "\n".join(preset["prompts"]))
        values = st.text_area("Values, a field a line", written(preset["values"]), height=160)
        if st.form_submit_button("Save", type="primary"):
            lines = [line.strip() for line in prompts.splitlines() if line.strip()]
            _done(lambda: farm_access.client().save_preset(name, description, read(values), lines))


def _delete(name: str) -> None:
    with st.popover("", icon=":material/delete:", help="Delete"):
        st.markdown("Delete this preset? Jobs keep the values that they had from it.")
        if st.button("Delete for good", type="primary", key=f"delete-{name}"):
            _done(lambda: farm_access.client().delete_preset(name))


def written(values: Mapping[str, Any]) -> str:
    """Values as people edit them, such as ``steps = 25``, one a line."""
    return "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())


def read(text: str) -> dict[str, Any]:
    """What ``written`` gives; a value that is no JSON is a text. InputError for a line without ``=``."""
    values: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not (name and equals):
            raise InputError(f"{line!r} is no value; expected one such as steps = 25.")
        values[name] = json_or_text(value)
    return values


def _done(do: Callable[[], Any]) -> None:
    """Do it, and draw the page anew; a refusal is told."""
    try:
        do()
    except FarmError as error:
        farm_access.show_error(error)
        return
    farm_access.forget()
    st.rerun()
