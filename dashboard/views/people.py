"""People: who may use the farm, with what role, and what they did. For admins."""

from collections.abc import Callable

import streamlit as st

from dashboard import clock, farm_access
from farm.accounts.people import Role
from farm.errors import FarmError
from farm.units import when

ROLES = {Role.VIEWER: "looks", Role.ARTIST: "queues, and changes their own", Role.ADMIN: "does everything"}


def page() -> None:
    """The list with what can be done about it, then the audit."""
    st.title("People")
    with farm_access.explained():
        users = farm_access.client().users()
    if made := st.session_state.pop("new_user_token", None):
        st.success(f"The token of {made['name']}, shown this once:")
        st.code(made["token"], language=None)
    if not users:
        st.info("Nobody yet: whoever has the farm's own token may do everything. Add people to tell their jobs apart.")
    for user in users:
        _row(user)
    _add()
    _audit()


def _row(user: dict[str, str]) -> None:
    name, role, more = st.columns([3, 3, 2], vertical_alignment="center")
    name.text(" · ".join(filter(None, (user["name"], user["email"]))))
    buttons = more.container(horizontal=True)
    chosen = role.selectbox(
        f"Role of {user['name']}",
        list(Role),
        index=list(Role).index(Role(user["role"])),
        format_func=lambda each: f"{each} - {ROLES[each]}",
        label_visibility="collapsed",
        key=f"role_{user['name']}",
    )
    if chosen is not None and chosen != user["role"]:
        _do(lambda: farm_access.client().change_user(user["name"], chosen))
    if buttons.button("", icon=":material/key:", help="Another token; the old one ends", key=f"token_{user['name']}"):
        with farm_access.explained():
            st.session_state["new_user_token"] = farm_access.client().new_user_token(user["name"])
        st.rerun()
    if buttons.button("", icon=":material/person_remove:", help="Remove; their jobs stay", key=f"gone_{user['name']}"):
        _do(lambda: farm_access.client().remove_user(user["name"]))


def _do(change: Callable[[], object]) -> None:
    with farm_access.explained():
        change()
    st.rerun()


def _add() -> None:
    with st.form("add_user", clear_on_submit=True, border=True):
        name, email, role, add = st.columns([3, 3, 3, 2], vertical_alignment="bottom")
        who = name.text_input("Name", max_chars=80)
        address = email.text_input("E-mail", max_chars=255, help="By which a provider of identities knows them")
        what = role.selectbox("Role", list(Role), index=1, format_func=lambda each: f"{each} - {ROLES[each]}")
        if add.form_submit_button("Add", icon=":material/person_add:", width="stretch"):
            try:
                st.session_state["new_user_token"] = farm_access.client().add_user(who, what or Role.ARTIST, address)
            except FarmError as error:
                farm_access.show_error(error)
            else:
                st.rerun()


def _audit() -> None:
    st.subheader("Who did what")
    with farm_access.explained():
        lines = farm_access.client().audit(limit=200)
    rows = [
        {
            "When": clock.shown(when(line["at"])),
            "Who": line["who"],
            "Role": line["role"],
            "What": line["what"].replace("/api/v1", ""),
            "Answer": line["status"],
        }
        for line in lines
    ]
    moment = st.column_config.DatetimeColumn(format="localized", help=clock.told())
    st.dataframe(rows, hide_index=True, column_config={"When": moment})
