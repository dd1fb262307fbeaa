"""What the draft holds when another model is chosen."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from dashboard.views import draft
    from plugins.presets import load_presets

    catalog = load_presets()
    presets = [
        {"name": name, "values": preset.values, "source": catalog.sources[name], "default_for": []}
        for name, preset in catalog.presets.items()
    ]
    own = {"defaults": {"steps": 2, "cfg": 5.0, "n_prompt": "blurred"}, "without": ("gs",)}
    models = {
        "puppet": {"default_order": "bisect", "defaults": {}, "without": ()},
        "other": {"default_order": "vanilla", **own},
    }
    draft.begin(presets, models)
    st.selectbox("Model", list(models), key="draft_model_type", on_change=draft.choose_model, args=(presets, models))
    names = [preset["name"] for preset in presets]
    st.selectbox("Preset", names, key="draft_preset", on_change=draft.apply_preset, args=(presets, models))


def test_a_model_with_defaults_of_its_own_brings_them_and_takes_them_away() -> None:
    shown = AppTest.from_function(page, default_timeout=60).run()
    shown.selectbox(key="draft_preset").set_value("Dance").run()
    names = ("steps", "cfg", "gs", "n_prompt", "order")

    def values() -> list[object]:
        return [shown.session_state[f"draft_{name}"] for name in names]

    dance = values()
    assert dance == [30, 1.0, 12.0, "", "bisect"]
    shown.selectbox(key="draft_model_type").set_value("other").run()
    assert values() == [2, 5.0, 10.0, "blurred", "vanilla"]
    shown.selectbox(key="draft_preset").set_value("Hand Movement").run()
    assert values() == [2, 5.0, 10.0, "blurred", "vanilla"], "built-in presets are for models without"
    shown.selectbox(key="draft_model_type").set_value("puppet").run()
    shown.selectbox(key="draft_preset").set_value("Dance").run()
    assert values() == dance
