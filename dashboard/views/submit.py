"""Submit: picture, prompt, preset, length; everything else has a good value and waits under Advanced."""

import random
import uuid
from dataclasses import dataclass
from typing import Any

import streamlit as st
from PIL import Image

from dashboard import farm_access, looks
from dashboard.ranges import default, ends, longest
from dashboard.views import advanced, media, pixels, plan_preview
from farm.errors import FarmError
from model.footage.media import Media

LONGEST_SLIDER = 60.0


@dataclass(frozen=True)
class Start:
    """The start image: its size in pixels, and a picture of it that is small enough for the page."""

    size: tuple[int, int]
    shown: Image.Image


KEPT = (
    *advanced.FIELDS, "prompt", "name", "preset", "model_type", "total_second_length", "order", "random_seed", "seed",
    "n_prompt", "exporter", "exact_length", "priority", "loras",
)  # fmt: skip


def keep_draft() -> None:
    """Called on every run of any page: Streamlit forgets widgets that a page does not draw, the draft must survive."""
    state = st.session_state
    for field in (*KEPT, *media.FIELDS):
        key = f"draft_{field}"
        if key in state:
            state[key] = state[key]


def load_draft(request: dict[str, Any], files: Media) -> None:
    """Make a finished job's request the draft, to change it and submit it again."""
    state = st.session_state
    for field in KEPT:
        if field not in ("random_seed", "loras"):
            state[f"draft_{field}"] = str(request[field]) if field == "seed" else request[field]
    state["draft_loras"] = _lora_text(request["loras"])
    state["draft_random_seed"] = False
    media.load(request, files)
    if files.image is not None:
        state["draft_image"] = files.image
        state["draft_image_name"] = f"image of {request['name'] or 'the earlier video'}"


def page() -> None:
    """The page."""
    st.title("New video")
    with farm_access.explained():
        presets, orders = farm_access.presets(), farm_access.orders()
        models, exporters, loras = farm_access.models(), farm_access.exporters(), farm_access.loras()
    usable = {model["name"]: model for model in models if not model["error"]}
    if not usable:
        reasons = "; ".join(f"{model['name']}: {model['error']}" for model in models) or "none is installed"
        st.error(f"**No model can be used.** {reasons}", icon=":material/error:")
        st.stop()
    _begin(presets["presets"], usable)
    left, right = st.columns([5, 7], gap="large")
    with left:
        image = _image()
    with right:
        preset = _prompt_and_preset(presets["presets"])
        model = usable[st.session_state["draft_model_type"]]
        _length(float(model["max_seconds"]))
        _order_and_seed(orders, model)
        advanced.show(models, exporters, [lora["name"] for lora in loras])
    with left:
        media.show(model)
        plan = plan_preview.show(model, image.size if image else None)
        if image is not None and plan is not None:
            pixels.show_cropped(image.shown, image.size, plan)
        _submit(preset, image is not None or media.draft().video is not None or model["text_to_video"])


def _begin(presets: list[dict[str, Any]], models: dict[str, Any]) -> None:
    """Fill an empty draft; mend one that names a preset or model that is gone."""
    state = st.session_state
    names = [preset["name"] for preset in presets]
    if state.get("draft_preset") not in names:
        state["draft_preset"] = names[0]
        _apply_preset(presets)
    if state.get("draft_model_type") not in models:
        state["draft_model_type"] = next(iter(models))
    for field, value in {
        "prompt": "",
        "name": "",
        "n_prompt": "",
        "total_second_length": default("total_second_length"),
        "order": models[state["draft_model_type"]]["default_order"],
        "random_seed": True,
        "seed": str(default("seed")),
        "exporter": default("exporter"),
        "exact_length": False,
        "priority": default("priority"),
        "loras": "",
    }.items():
        state.setdefault(f"draft_{field}", value)
    state.setdefault("draft_key", uuid.uuid4().hex)
    media.begin()


def _apply_preset(presets: list[dict[str, Any]]) -> None:
    """Set what the preset sets, and put the rest back to its default; the prompt stays the user's."""
    state = st.session_state
    values = next(preset["values"] for preset in presets if preset["name"] == state["draft_preset"])
    for field in (*advanced.FIELDS, *media.FIELDS):
        state[f"draft_{field}"] = values.get(field, default(field))
    for field in ("n_prompt", "total_second_length", "order", "exporter", "exact_length", "priority", "model_type"):
        if field in values:
            state[f"draft_{field}"] = values[field]
    if "loras" in values:
        state["draft_loras"] = _lora_text(values["loras"])
    if "seed" in values:
        state["draft_seed"], state["draft_random_seed"] = str(values["seed"]), False


def _image() -> Start | None:
    """The start image; its bytes outlive the upload widget, which Streamlit empties when the page is left."""
    state = st.session_state
    upload = st.file_uploader(
        "Start image", type=media.PICTURES, help="PNG, JPEG, WebP, HEIC or AVIF. The first frame of the video."
    )
    if upload is not None:
        state["draft_image"], state["draft_image_name"] = upload.getvalue(), upload.name
    data = state.get("draft_image")
    if data is None:
        with st.container(border=True):
            st.markdown(":material/image: The video starts from a picture. Drop one above.")
        return None
    try:
        facts, shown = farm_access.look_at(data)
    except FarmError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None
    pixels.reserve()
    st.caption(f"{looks.plain(state['draft_image_name'])} · {facts.width}x{facts.height} pixels")
    return Start((facts.width, facts.height), shown)


def _prompt_and_preset(presets: list[dict[str, Any]]) -> dict[str, Any]:
    st.selectbox(
        "Preset",
        [preset["name"] for preset in presets],
        key="draft_preset",
        on_change=_apply_preset,
        args=(presets,),
        help="Sets the values under Advanced; what you change there afterwards is kept.",
    )
    preset = next(preset for preset in presets if preset["name"] == st.session_state["draft_preset"])
    st.caption(preset["description"])
    st.text_area(
        "Prompt",
        key="draft_prompt",
        height=96,
        max_chars=longest("prompt"),
        placeholder="Subject, then motion, then how: The girl dances gracefully, with clear movements, full of charm.",
        help="Prompts with times go in brackets: The girl. [0s-2s: She waves.] [2s: She walks away.]",
    )
    if preset["prompts"]:
        st.caption("Quick examples")
        with st.container(key="examples", gap="xsmall"):
            for number, prompt in enumerate(preset["prompts"]):
                st.button(prompt, key=f"example-{number}", type="tertiary", on_click=_use_prompt, args=(prompt,))
    return preset


def _use_prompt(prompt: str) -> None:
    st.session_state["draft_prompt"] = prompt


def _length(most: float) -> None:
    state = st.session_state
    asked = float(state["draft_total_second_length"])
    state["draft_total_second_length"] = min(asked, most)
    if asked > most:
        st.caption(f"{asked:g} s is more than this model makes; {most:g} s is the most.")
    limit = min(most, LONGEST_SLIDER)
    state["draft_slider"] = min(max(asked, 0.1), limit)
    slider, number = st.columns([4, 1], vertical_alignment="bottom")
    slider.slider("Video length (seconds)", 0.1, limit, step=0.1, format="%.1f", key="draft_slider", on_change=_slid)
    number.number_input(
        "seconds",
        ends("total_second_length")[0],
        most,
        step=0.1,
        format="%g",
        key="draft_total_second_length",
        label_visibility="collapsed",
    )


def _slid() -> None:
    st.session_state["draft_total_second_length"] = st.session_state["draft_slider"]


def _order_and_seed(orders: list[dict[str, Any]], model: dict[str, Any]) -> None:
    state = st.session_state
    names = [order["name"].replace(":k", ":4") for order in orders]
    if state["draft_order"] not in names:
        names.append(state["draft_order"])
    summaries = {order["name"].replace(":k", ":4"): order["summary"] for order in orders}
    trained = model["orders"]
    order, seed, dice = st.columns([4, 4, 3], vertical_alignment="bottom")
    order.selectbox(
        "Order",
        sorted(names, key=lambda name: name not in trained),
        key="draft_order",
        format_func=lambda name: name if name in trained else f"{name} (experimental)",
        help="Which sections are rendered when; decides how many can run at the same time.",
    )
    seed.text_input("Seed", key="draft_seed", disabled=state["draft_random_seed"])
    dice.toggle("Random", key="draft_random_seed", on_change=_draw_seed)
    if not state["draft_random_seed"] and _seed() is None:
        st.caption(f":orange[The seed is a whole number from 0 to {ends('seed')[1] - 1}.]")
    if summary := summaries.get(state["draft_order"]):
        st.caption(summary)


def _draw_seed() -> None:
    """Turning Random off leaves a fresh seed to start from."""
    if not st.session_state["draft_random_seed"]:
        st.session_state["draft_seed"] = str(random.randrange(2**31))


def _seed() -> int | None:
    """The seed as it stands there, which browsers' numbers could not hold; None when it is none."""
    text = st.session_state["draft_seed"].strip()
    low, high = ends("seed")
    return int(text) if text.isdecimal() and low <= int(text) < high else None


def _lora_text(loras: list[Any]) -> str:
    """LoRAs of a request or a preset, one a line to edit."""
    pairs = [(lora["name"], lora["weight"]) if isinstance(lora, dict) else (lora.name, lora.weight) for lora in loras]
    return "\n".join(name if weight == 1 and ":" not in name else f"{name}:{weight!r}" for name, weight in pairs)


def _request(preset: dict[str, Any]) -> dict[str, Any]:
    """The draft as request fields; every value that the page shows is sent."""
    state = st.session_state
    fields = {field: state[f"draft_{field}"] for field in KEPT if field not in ("random_seed", "seed")}
    fields["loras"] = [line.strip() for line in state["draft_loras"].splitlines() if line.strip()]
    if "owner" in preset["values"]:
        fields["owner"] = preset["values"]["owner"]
    fields |= media.fields()
    fields["seed"] = -1 if state["draft_random_seed"] else _seed()
    return fields


def _submit(preset: dict[str, Any], can_start: bool) -> None:
    state = st.session_state
    needed = {
        "a start image": can_start,
        "a prompt": state["draft_prompt"].strip(),
        "a seed": state["draft_random_seed"] or _seed() is not None,
    }
    missing = [name for name, there in needed.items() if not there]
    if st.button("Queue video", type="primary", icon=":material/send:", width="stretch", disabled=bool(missing)):
        try:
            job = farm_access.client().submit(media.draft(), _request(preset), state["draft_key"])
        except FarmError as error:
            farm_access.show_error(error)
            return
        state["draft_key"] = uuid.uuid4().hex
        state["submitted"] = job["id"]
        st.switch_page(state["pages"]["job"], query_params={"id": job["id"]})
    if missing:
        st.caption(f"Needs {' and '.join(missing)}.")
    elif state.get("submitted"):
        st.page_link(state["pages"]["job"], label="Last submitted video", query_params={"id": state["submitted"]})
