"""The files that a video becomes: exporters with their options, and what frames pass on their way to them.

Their widgets' keys begin with that of the form, ``draft_files`` on the Submit page.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.ranges import default
from farm.errors import FarmError
from farm.jobs.exports import MAX_EXPORTS, FileFields
from farm.jobs.submission import Submission

DRAFT = "draft_files"
COLUMNS = 3


def begin(key: str = DRAFT) -> None:
    """Fill an empty form: one file."""
    st.session_state.setdefault(key, [0])
    st.session_state.setdefault(f"{key}_0", default("exporter"))
    st.session_state.setdefault(f"{key}_post", [])


def keys() -> list[str]:
    """All of the draft's."""
    return [str(key) for key in st.session_state if str(key).startswith(DRAFT)]


def load(values: Mapping[str, Any]) -> None:
    """Make the files of a request, or of a preset, those of the draft."""
    state = st.session_state
    for key in keys():
        del state[key]
    named = {name: values[name] for name in (*FileFields.model_fields, "exports") if name in values}
    submission = Submission.model_validate({"prompt": "-", **named})
    common = submission.model_dump(mode="json", include=set(FileFields.model_fields))
    exports = submission.job_order.exports
    state[DRAFT] = list(range(len(exports)))
    for number, export in enumerate(exports):
        state[f"{DRAFT}_{number}"] = export.exporter
        fields = export.model_dump(mode="json", include=FileFields.model_fields.keys() - {"exporter"})
        state[f"{DRAFT}_{number}_own"] = {name: value for name, value in fields.items() if value != common[name]}
        _set(f"{DRAFT}_{number}_{export.exporter}", export.options)
    state[f"{DRAFT}_post"] = [step.processor for step in submission.post]
    for step in submission.post:
        _set(f"{DRAFT}_post_{step.processor}", step.options)


def fields() -> dict[str, Any]:
    """The draft's as fields of a request."""
    exports, post = _exports(DRAFT), _steps(DRAFT)
    found = {"exporter": exports[0]["exporter"], "post": post}
    return found if exports == [{"exporter": found["exporter"]}] else {**found, "exports": exports}


def show(key: str = DRAFT) -> None:
    """The widgets."""
    begin(key)
    state = st.session_state
    usable = {each["name"]: each for each in farm_access.exporters() if not each["unavailable"]}
    for number in list(state[key]):
        if state[f"{key}_{number}"] not in usable:
            st.caption(f"{looks.plain(state[f'{key}_{number}'])} can't be used here any more.")
            state[f"{key}_{number}"] = next(iter(usable))
        with st.container(border=True):
            choice, away = st.columns([8, 1], vertical_alignment="bottom")
            name = choice.selectbox(
                "File", list(usable), key=f"{key}_{number}", format_func=lambda name: usable[name]["title"] or name
            )
            if len(state[key]) > 1:
                gone: dict[str, Any] = {"key": f"away-{key}-{number}", "on_click": _remove, "args": (key, number)}
                away.button("", icon=":material/close:", help="Leave out", **gone)
            _form(usable[name]["options"], f"{key}_{number}_{name}")
            if own := state.get(f"{key}_{number}_own"):
                st.caption(looks.plain("; ".join(f"{field} {value}" for field, value in own.items())))
    more: dict[str, Any] = {"disabled": len(state[key]) >= MAX_EXPORTS, "on_click": _add, "args": (key,)}
    st.button("One more file", icon=":material/add:", key=f"more-{key}", **more)
    _post(f"{key}_post")


def is_lossy() -> bool:
    """Whether a file of the draft is compressed as ``mp4_crf`` says."""
    state = st.session_state
    lossy = {each["name"] for each in farm_access.exporters() if any(one["name"] == "crf" for one in each["options"])}
    return any(state[f"{DRAFT}_{number}"] in lossy for number in state[DRAFT])


def again(job_ids: Sequence[str], key: str) -> None:
    """Other files of rendered jobs: the form, and a button that queues them."""
    show(key)
    if not st.button("Export", type="primary", icon=":material/send:", key=f"go-{key}", disabled=not job_ids):
        return
    exports = [{"post": _steps(key), **export} for export in _exports(key)]
    for job_id in job_ids:
        try:
            made = farm_access.client().export(job_id, exports)
        except FarmError as error:
            looks.refusal(error)
        else:
            st.toast(f"queued as {made['id'][:8]}", icon=":material/check:")
            for note in made["notes"]:
                st.toast(looks.plain(note), icon=":material/info:")


def _post(key: str) -> None:
    usable = {each["name"]: each for each in farm_access.post_processors() if not each["unusable"]}
    st.session_state[key] = [name for name in st.session_state[key] if name in usable]
    chosen = st.multiselect(
        "Post-processing",
        list(usable),
        key=key,
        format_func=lambda name: usable[name]["title"] or name,
        placeholder="none",
        help="What frames pass on their way to the files, in this order.",
    )
    for name in chosen:
        with st.container(border=True):
            st.caption(usable[name]["title"])
            _form(usable[name]["options"], f"{key}_{name}")


def _form(options: Sequence[Mapping[str, Any]], key: str) -> None:
    if options:
        for column, option in zip(cycle(st.columns(COLUMNS)), options, strict=False):
            with column:
                _widget(option, f"{key}:{option['name']}")


def _widget(option: Mapping[str, Any], key: str) -> None:
    state, kind = st.session_state, option["kind"]
    state[key] = _typed(option, state.get(key, option["default"]))
    given: dict[str, Any] = {"key": key, "help": option["description"] or None}
    label = option["name"].replace("_", " ").capitalize()
    if option["choices"]:
        st.selectbox(label, [choice for choice in option["choices"] if choice not in option["disabled"]], **given)
    elif kind == "boolean":
        st.toggle(label, **given)
    elif kind == "string":
        st.text_input(label, max_chars=option["longest"], **given)
    else:
        of = int if kind == "integer" else float
        low, high = (None if option[end] is None else of(option[end]) for end in ("minimum", "maximum"))
        st.number_input(label, low, high, None, step=of(1), placeholder="by itself", **given)


def _typed(option: Mapping[str, Any], value: Any) -> Any:
    """A value as its widget holds it: requests may say numbers as texts."""
    if value is None or option["kind"] == "string":
        return value
    if option["kind"] == "boolean":
        return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "on", "1")
    return int(value) if option["kind"] == "integer" else float(value)


def _exports(key: str) -> list[dict[str, Any]]:
    schemas = {each["name"]: each["options"] for each in farm_access.exporters()}
    found = []
    for number in st.session_state[key]:
        name = st.session_state[f"{key}_{number}"]
        options = _given(schemas.get(name, ()), f"{key}_{number}_{name}")
        own = st.session_state.get(f"{key}_{number}_own") or {}
        found.append({"exporter": name, **own, **({"options": options} if options else {})})
    return found


def _steps(key: str) -> list[dict[str, Any]]:
    schemas = {each["name"]: each["options"] for each in farm_access.post_processors()}
    names = st.session_state[f"{key}_post"]
    return [{"processor": name, "options": _given(schemas.get(name, ()), f"{key}_post_{name}")} for name in names]


def _given(options: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """What differs from the defaults."""
    values = {option["name"]: st.session_state.get(f"{key}:{option['name']}") for option in options}
    usual = {option["name"]: option["default"] for option in options}
    return {name: value for name, value in values.items() if value is not None and value != usual[name]}


def _set(key: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        st.session_state[f"{key}:{name}"] = value


def _add(key: str) -> None:
    state = st.session_state
    number = max(state[key]) + 1
    taken = {state[f"{key}_{each}"] for each in state[key]}
    names = [each["name"] for each in farm_access.exporters() if not each["unavailable"]]
    state[key] = [*state[key], number]
    state[f"{key}_{number}"] = next((name for name in names if name not in taken), names[0])


def _remove(key: str, number: int) -> None:
    st.session_state[key] = [each for each in st.session_state[key] if each != number]
