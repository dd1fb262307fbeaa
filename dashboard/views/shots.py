"""The shots of a storyboard as rows to edit; session state is the one place where they are."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.ranges import longest
from dashboard.views import media
from farm.errors import FarmError
from farm.films.storyboard import FADE, LONGEST_NAME, MAX_FADE, MAX_SHOTS, read_transition

SECONDS = 2.4
"""Of a new shot: two sections of most models."""
TRANSITIONS = {"cut": "Cut", "fade": "Fade", "flow": "Flow on"}
HELP = (
    "Cut and fade: a video of its own, rendered beside the others. Flow on: goes on from the shot before, as one video "
    "with it."
)
_PARTS = ("name", "prompt", "seconds", "picture", "end_picture", "transition", "fade")


def begin() -> None:
    """Fill an empty storyboard with one shot."""
    st.session_state.setdefault("film_pictures", {path.name: path.read_bytes() for path in media.EXAMPLES})
    if "film_shots" not in st.session_state:
        put([{}])


def put(shots: Iterable[Mapping[str, Any]]) -> None:
    """Make these, as a storyboard writes them, the shots on the page."""
    st.session_state["film_shots"] = [_new(shot) for shot in shots]


def written() -> list[dict[str, Any]]:
    """The shots as a storyboard writes them."""
    return [_written(shot) for shot in st.session_state["film_shots"]]


def pictures() -> dict[str, bytes]:
    """The files that they name."""
    known = st.session_state["film_pictures"]
    named = {shot.get(part) for shot in written() for part in ("picture", "end_picture")}
    return {name: data for name, data in known.items() if name in named}


def show() -> None:
    """Draw them, each with what can be done to it."""
    shots = st.session_state["film_shots"]
    for place, shot in enumerate(shots):
        with st.container(border=True, key=f"shot-{shot['id']}"):
            _row(place, shot, len(shots))
    able = len(shots) < MAX_SHOTS
    st.button("Add a shot", icon=":material/add:", on_click=_add, args=(len(shots),), disabled=not able)


def _row(place: int, shot: dict[str, Any], count: int) -> None:
    flows = place > 0 and shot["transition"] == "flow"
    picture, text, how = st.columns([3, 6, 4], gap="medium")
    with picture:
        _picture(shot, flows)
    with text:
        _keep(shot, "name", st.text_input, "Shot", placeholder=f"Shot {place + 1}", max_chars=LONGEST_NAME)
        _keep(shot, "prompt", st.text_area, "What happens", height=96, max_chars=longest("prompt"))
    with how:
        _keep(shot, "seconds", st.number_input, "Seconds", min_value=0.1, step=0.1, format="%g")
        if place:
            _keep(
                shot,
                "transition",
                st.selectbox,
                "From the shot before",
                options=list(TRANSITIONS),
                format_func=TRANSITIONS.__getitem__,
                help=HELP,
            )
            if shot["transition"] == "fade":
                _keep(shot, "fade", st.number_input, "Seconds of the fade", min_value=0.1, max_value=MAX_FADE, step=0.1)
        _buttons(place, count)


def _picture(shot: dict[str, Any], flows: bool) -> None:
    """What it begins with, and what it may lead to."""
    known: dict[str, bytes] = st.session_state["film_pictures"]
    names = list(dict.fromkeys(["", *known, shot["picture"]]))  # one may be named before it is here
    if shot["picture"] in known:
        try:
            st.image(farm_access.look_at(known[shot["picture"]])[1], width=160)
        except FarmError as error:
            st.caption(f":red[{looks.plain(str(error))}]")
    label = "Picture on the way" if flows else "Begins with"
    _keep(shot, "picture", st.selectbox, label, options=names, format_func=lambda name: name or "none")


def _buttons(place: int, count: int) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        first, last = place == 0, place == count - 1
        _button(":material/arrow_upward:", "Earlier", _move, place, -1, disabled=first)
        _button(":material/arrow_downward:", "Later", _move, place, 1, disabled=last)
        _button(":material/content_copy:", "Copy", _copy, place)
        _button(":material/delete:", "Remove", _remove, place, disabled=count == 1)


def _button(icon: str, what: str, do: Any, place: int, *more: Any, disabled: bool = False) -> None:
    key = f"{what}-{st.session_state['film_shots'][place]['id']}"
    st.button("", icon=icon, help=what, key=key, on_click=do, args=(place, *more), disabled=disabled)


def _keep(shot: dict[str, Any], part: str, widget: Any, label: str, **options: Any) -> None:
    """A widget whose value outlives it, in the shot."""
    key = f"film-{shot['id']}-{part}"
    st.session_state[key] = st.session_state.get(key, shot[part])
    shot[part] = widget(label, key=key, **options)


def _new(shot: Mapping[str, Any]) -> dict[str, Any]:
    kind, fade = read_transition(shot.get("transition") or "", "a shot")
    given = {"seconds": SECONDS, **{part: shot[part] for part in _PARTS if part in shot}}
    texts = dict.fromkeys(("name", "prompt", "picture", "end_picture"), "")
    own = {name: value for name, value in shot.items() if name not in _PARTS}
    return {
        **texts,
        **given,
        "seconds": float(given["seconds"]),
        "transition": kind,
        "fade": fade or FADE,
        "own": own,
        "id": uuid.uuid4().hex[:8],
    }


def _written(shot: Mapping[str, Any]) -> dict[str, Any]:
    first = shot is st.session_state["film_shots"][0]
    how = "cut" if first else shot["transition"]
    parts = {part: shot[part] for part in ("name", "prompt", "seconds", "picture", "end_picture") if shot[part]}
    fades = f"fade:{shot['fade']:g}" if how == "fade" else how
    return {**parts, **shot["own"], **({} if how == "cut" else {"transition": fades})}


def _add(place: int) -> None:
    shots = st.session_state["film_shots"]
    shots.insert(place, _new({"picture": shots[-1]["picture"], "seconds": shots[-1]["seconds"]}))


def _copy(place: int) -> None:
    shots = st.session_state["film_shots"]
    shots.insert(place + 1, {**shots[place], "id": uuid.uuid4().hex[:8]})


def _move(place: int, by: int) -> None:
    shots = st.session_state["film_shots"]
    shots[place], shots[place + by] = shots[place + by], shots[place]


def _remove(place: int) -> None:
    st.session_state["film_shots"].pop(place)
