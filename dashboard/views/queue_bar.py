"""What can be done to the selected jobs of the queue. Always there, so that nothing moves when some are selected."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard import clock, farm_access, looks
from dashboard.ranges import longest
from dashboard.views import bulk, replacing
from farm.errors import FarmError, InputError
from farm.jobs.bulk import Action
from farm.units import when

Row = Mapping[str, Any]


def bar(selected: Sequence[Row], shown: Sequence[Row], in_order: bool) -> bool:
    """Draw it; whether something was done.

    Args:
        selected, shown: rows of the page.
        in_order: whether the page shows jobs as they will run, so that they can be moved one up or down.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="queue-bar"):
        count = len(selected)
        st.caption(f"{count} selected" if count else "Select rows to act", width=122)
        done = [
            bulk.offer(Action.PAUSE, selected, ":material/pause:", "Start no more sections", "queue-pause"),
            bulk.offer(Action.RESUME, selected, ":material/play_arrow:", "Go on", "queue-resume"),
            bulk.offer(Action.CANCEL, selected, ":material/close:", "Stop; what is finished is kept", "queue-cancel"),
            _move("Run next", ":material/vertical_align_top:", "first", reversed(selected), "queue-first"),
            _move("", ":material/arrow_upward:", _above(selected, shown, in_order), selected, "queue-up"),
            _move("", ":material/arrow_downward:", _below(selected, shown, in_order), selected, "queue-down"),
            _move("", ":material/vertical_align_bottom:", "last", selected, "queue-last"),
            _priority(selected),
            _edit(selected),
            _duplicate(selected),
        ]
    return any(done)


MOVES = {
    "queue-first": "Before all others of its owner",
    "queue-up": "One up, among its owner's",
    "queue-down": "One down, among its owner's",
    "queue-last": "Behind all others of its owner",
}


def _move(label: str, icon: str, to: str | None, rows: Iterable[Row], key: str) -> bool:
    rows = [row for row in rows if bulk.fitting(Action.CHANGE, [row])]
    if not st.button(label, icon=icon, help=MOVES[key], key=key, disabled=not rows or to is None):
        return False
    return all(_told("moved", farm_access.client().move, row["id"], to) for row in rows)


def _told(done: str, do: Callable[..., Any], *given: Any, **more: Any) -> bool:
    """Do it, and tell what became of it."""
    try:
        do(*given, **more)
    except FarmError as error:
        looks.refusal(error)
        return False
    st.toast(done, icon=":material/check:")
    return True


def _own(selected: Sequence[Row], shown: Sequence[Row], in_order: bool) -> tuple[list[str], int]:
    """The jobs of the owner of the one that is selected, in their order, and where among them it is."""
    if len(selected) != 1 or not in_order:
        return [], 0
    own = [row["id"] for row in shown if row["owner"] == selected[0]["owner"] and (row["outlook"] or {}).get("place")]
    return (own, own.index(selected[0]["id"])) if selected[0]["id"] in own else ([], 0)


def _above(selected: Sequence[Row], shown: Sequence[Row], in_order: bool) -> str | None:
    own, at = _own(selected, shown, in_order)
    return own[at - 1] if own and at else None


def _below(selected: Sequence[Row], shown: Sequence[Row], in_order: bool) -> str | None:
    """Whom it goes before when it goes one down: the one after the next; behind all when it is the next to last."""
    own, at = _own(selected, shown, in_order)
    if at + 2 < len(own):
        return own[at + 2]
    return "last" if at + 2 == len(own) else None


def _priority(selected: Sequence[Row]) -> bool:
    """A number that is set at once for all that are selected."""
    ids = bulk.fitting(Action.CHANGE, selected)
    common = {row["priority"] for row in selected}
    value = common.pop() if len(common) == 1 else None
    key = f"queue-priority-{'-'.join(ids)[:400]}-{value}"
    given = st.number_input(
        "Priority", 0, 100, value, key=key, disabled=not ids, placeholder="Priority", width=130,
        label_visibility="collapsed", help="0 to 100; higher goes first",
    )  # fmt: skip
    if not ids or given is None or given == value:
        return False
    return bulk.act(Action.CHANGE, ids, {"priority": int(given)})


REPLACED = "Opens it on the Submit page, a film on the Storyboard; what you queue there takes its place"


def _edit(selected: Sequence[Row]) -> bool:
    with st.popover("", icon=":material/edit:", disabled=len(selected) != 1, help="Edit"):
        if len(selected) != 1:
            return False
        if st.button("Prompt and settings", icon=":material/tune:", key="queue-settings", help=REPLACED):
            replacing.begin(selected[0]["id"])
        row = selected[0]
        deadline = when(row["deadline"])
        key = f"queue-edit-{row['id']}-"
        with st.form(f"{key}form", border=False):
            name = st.text_input("Name", row["name"], max_chars=longest("name"), key=f"{key}name")
            priority = st.number_input("Priority", 0, 100, row["priority"], key=f"{key}priority")
            moment = st.datetime_input(
                "Deadline",
                clock.shown(deadline),
                step=timedelta(minutes=15),
                key=f"{key}deadline",
                help=clock.told(),
            )
            told = "All that a machine must have, with commas between"
            labels = st.text_input("Labels", ", ".join(row["labels"]), help=told, key=f"{key}labels")
            if not st.form_submit_button("Save", type="primary"):
                return False
    change = {
        "name": name,
        "priority": int(priority),
        "deadline": clock.meant(moment),
        "labels": [label.strip() for label in labels.split(",") if label.strip()],
    }
    return _told("saved", farm_access.client().change, row["id"], **change)


def _duplicate(selected: Sequence[Row]) -> bool:
    told = "Duplicate: queue the same once more, with another seed"
    if not st.button("", icon=":material/content_copy:", help=told, key="queue-copy", disabled=not selected):
        return False
    return all(_told(f"queued {row['name'] or row['id'][:8]} again", duplicate, row["id"]) for row in selected)


def duplicate(job_id: str) -> str:
    """Queue a job with the files and settings of another, and a new seed; gives its id."""
    farm = farm_access.client()
    job = farm.job(job_id)["job"]
    request = job["request"]
    if job["film"]:
        raise InputError("a film is queued once more from its storyboard; open it with Edit.")
    media = replacing.files_of(request, job_id)
    if farm_access.person():  # a copy is whose who asks for it
        request = {name: value for name, value in request.items() if name != "owner"}
    return str(farm.submit(media, {**request, "seed": -1})["id"])
