"""Prompts with times as rows to edit. The prompt's text stays the one place where they are: rows are read from it and
written into it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import looks
from farm.errors import InputError
from model.plan.prompts import TimedPrompt, parse, written

PROMPT = "draft_prompt"
_NEW = "timed_new_"
_SLOT = "timed_slot"


def show() -> None:
    """The rows, folded away until there are some."""
    try:
        _, timed = parse(st.session_state[PROMPT])
    except InputError:  # is said beside the prompt
        return
    with st.expander("Prompts with times", icon=":material/schedule:", expanded=bool(timed)):
        for number, prompt in enumerate(timed):
            _row(number, prompt, len(timed))
        _add(timed)
        st.session_state[_SLOT] = st.container()


def resolved(plan: Mapping[str, Any]) -> None:
    """Below the rows, what each section of a plan follows; nothing while all follow the same."""
    slot, sections = st.session_state.pop(_SLOT, None), plan["section_list"]
    if slot is None or all(section["prompt"] == sections[0]["prompt"] for section in sections):
        return
    with slot:
        for section in sections:
            mixed = f" → {section['next_prompt']} ({section['blend']:.0%})" if section["blend"] else ""
            start, stop = section["first_frame"] / plan["fps"], (section["last_frame"] + 1) / plan["fps"]
            st.caption(f"{start:.1f}-{stop:.1f} s: {looks.plain(section['prompt'] + mixed)}")


def _row(number: int, prompt: TimedPrompt, count: int) -> None:
    state = st.session_state
    keys = [f"timed_{number}_{part}" for part in ("start", "stop", "text")]
    for key, value in zip(keys, (prompt.start, prompt.stop, prompt.text), strict=True):
        state[key] = value
    told: dict[str, Any] = {
        "on_change": _rewrite,
        "args": (count,),
        "label_visibility": "visible" if number == 0 else "collapsed",
    }
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.number_input("From", 0.0, key=keys[0], step=0.1, format="%g", width=105, **told)
        st.number_input("To", 0.0, key=keys[1], step=0.1, format="%g", width=105, placeholder="next", **told)
        st.text_input("What happens", key=keys[2], width="stretch", **told)
        st.button("", icon=":material/close:", key=f"timed_{number}_remove", on_click=_remove, args=(number,))


def _add(timed: list[TimedPrompt]) -> None:
    last = timed[-1] if timed else None
    st.session_state.setdefault(f"{_NEW}text", "")
    start = 0.0 if last is None else last.stop or last.start + 1
    with st.form("timed_new", border=False, clear_on_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.number_input("From second", 0.0, value=start, step=0.1, format="%g", width=105, key=f"{_NEW}{start}")
            st.text_input("Another", key=f"{_NEW}text", placeholder="She turns around.", width="stretch")
            st.form_submit_button("Add", icon=":material/add:", on_click=_append, args=(f"{_NEW}{start}",))
    st.caption("What the prompt says outside these rows goes before each of them.")


def _append(start: str) -> None:
    text = _plain(st.session_state[f"{_NEW}text"])
    if text:
        base, timed = parse(st.session_state[PROMPT])
        st.session_state[PROMPT] = written(base, [*timed, TimedPrompt(st.session_state[start], None, text)])


def _remove(number: int) -> None:
    base, timed = parse(st.session_state[PROMPT])
    st.session_state[PROMPT] = written(base, timed[:number] + timed[number + 1 :])


def _rewrite(count: int) -> None:
    """Write what the rows hold now; one without a text goes."""
    state = st.session_state
    base, _ = parse(state[PROMPT])
    rows = [[state[f"timed_{number}_{part}"] for part in ("start", "stop", "text")] for number in range(count)]
    state[PROMPT] = written(
        base, [TimedPrompt(start or 0.0, stop, _plain(text)) for start, stop, text in rows if text.strip()]
    )


def _plain(text: str) -> str:
    """Without brackets, which would begin another one."""
    return " ".join(text.replace("[", "(").replace("]", ")").split())
