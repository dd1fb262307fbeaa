"""Presets & plug-ins: what there is, where it comes from, and why something is broken."""

import streamlit as st

from dashboard import farm_access, looks


def page() -> None:
    """The page."""
    st.title("Presets & plug-ins")
    with farm_access.explained():
        presets, plugins = farm_access.client().presets(), farm_access.client().plugins()
        exporters = farm_access.exporters()
    for broken in presets["broken"]:
        st.error(f"**Broken preset file** `{broken['path']}`: {looks.plain(broken['reason'])}", icon=":material/error:")
    for plugin in plugins:
        if not plugin["enabled"]:
            reason = looks.plain(plugin["reason"])
            st.error(
                f"**Plug-in {plugin['name']} is disabled.** {reason} (`{plugin['source']}`)", icon=":material/error:"
            )
    st.markdown("##### Presets")
    for start in range(0, len(presets["presets"]), 3):
        for column, preset in zip(st.columns(3), presets["presets"][start : start + 3], strict=False):
            with column, st.container(border=True, height="stretch"):
                st.markdown(f"**{looks.plain(preset['name'])}**")
                st.caption(looks.plain(preset["description"]))
                looks.facts({key: f"{value}" for key, value in preset["values"].items()})
                if preset["source"] != "built-in":
                    st.caption(f"from {looks.plain(preset['source'])}")
    st.markdown("##### Plug-ins")
    for plugin in plugins:
        if plugin["enabled"]:
            with st.container(border=True):
                st.markdown(f"**{looks.plain(plugin['name'])}** {plugin['version']}")
                offers = ", ".join(plugin["offers"]) or "nothing"
                st.caption(f"offers {looks.plain(offers)} · from {looks.plain(plugin['source'])}")
    st.caption("Exporters: " + ", ".join(f"{e['name']} ({e['extension']})" for e in exporters))
