"""The LoRAs of a draft: chosen among those on the farm, each with its weight and the words that call it up."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from dashboard import looks
from dashboard.files import lora_url
from dashboard.views import beside
from model.choices import MAX_LORAS, MAX_WEIGHT

NAMES = "draft_loras"


def begin() -> None:
    """Fill what is empty."""
    for name in st.session_state.setdefault(NAMES, []):
        st.session_state.setdefault(_weight(name), 1.0)


def load(loras: Sequence[Mapping[str, Any]]) -> None:
    """Take over those of a request or a preset."""
    st.session_state[NAMES] = [lora["name"] for lora in loras]
    for lora in loras:
        st.session_state[_weight(lora["name"])] = float(lora["weight"])


def fields() -> list[dict[str, Any]]:
    """As a request has them."""
    return [{"name": name, "weight": st.session_state[_weight(name)]} for name in st.session_state[NAMES]]


def keys() -> list[str]:
    """Of the session's state, of all that is chosen."""
    return [NAMES, *(_weight(name) for name in st.session_state.get(NAMES, []))]


def show(known: Sequence[Mapping[str, Any]]) -> None:
    """The widgets. ``known``: as the API lists them."""
    chosen = st.session_state[NAMES]
    names = list(dict.fromkeys([*(lora["name"] for lora in known if not lora["error"]), *chosen]))
    told = "Small files that teach a model a style, a person or a motion; they lie in the farm's `loras` folder."
    st.multiselect(
        "LoRAs",
        names,
        key=NAMES,
        max_selections=MAX_LORAS,
        help=told,
        disabled=not names,
        placeholder="Choose some" if names else "None are on this farm: put safetensors files into its loras folder",
    )
    beside.reserve("loras")
    for lora in known:
        if lora["error"]:
            st.caption(f":orange[{looks.plain(lora['name'])}: {looks.plain(lora['error'])}]")
    about = {lora["name"]: lora for lora in known}
    for name in chosen:
        _chosen(name, about.get(name))


def _chosen(name: str, about: Mapping[str, Any] | None) -> None:
    weight, words = st.columns([1, 2], vertical_alignment="bottom")
    weight.number_input(
        f"Weight of {looks.plain(name)}", -MAX_WEIGHT, MAX_WEIGHT, step=0.05, format="%g", key=_weight(name)
    )
    with words:
        if about is None:
            st.caption(":orange[The farm has it no more.]")
            return
        if about["picture"]:
            st.html(f'<img class="lora" src="{escape(lora_url(name, about["picture"]))}" alt="" loading="lazy">')
        if about["triggers"]:
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                st.caption("Called up by", width="content")
                for word in about["triggers"]:
                    use = f"trigger-{name}-{word}"
                    st.button(looks.plain(word), key=use, help="Add to the prompt", on_click=_call, args=(word,))


def _call(word: str) -> None:
    """Add a word to the prompt, unless it is there."""
    prompt = st.session_state["draft_prompt"].rstrip()
    if word.casefold() not in prompt.casefold():
        st.session_state["draft_prompt"] = f"{prompt} {word}".strip()


def _weight(name: str) -> str:
    return f"draft_weight_{name}"
