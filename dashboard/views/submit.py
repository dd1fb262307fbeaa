"""Submit: picture, model, prompt, preset, length; everything else has a good value and waits under Advanced."""

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from dashboard import farm_access, looks, tour
from dashboard.ranges import ends, longest
from dashboard.views import (
    advanced,
    beside,
    draft,
    from_file,
    media,
    pixels,
    plan_preview,
    preset_form,
    replacing,
    several,
    timed,
)
from farm.errors import FarmError
from model.plan.listed import short_name

LONGEST_SLIDER = 60.0


@dataclass(frozen=True)
class Start:
    """The start image: its size in pixels, a picture of it that is small enough for the page, and whether it looks like
    a photograph."""

    size: tuple[int, int]
    shown: Image.Image
    photograph: bool


def page() -> None:
    """The page."""
    st.title("New video")
    tour.show()
    replacing.show()
    with farm_access.explained():
        presets, orders = farm_access.presets()["presets"], farm_access.orders()
        models, known = farm_access.models(), farm_access.loras()
    usable = {model["name"]: model for model in models if not model["error"]}
    if not usable:
        reasons = "; ".join(f"{model['name']}: {model['error']}" for model in models) or "none is installed"
        st.error(f"**No model can be used.** {reasons}", icon=":material/error:")
        st.stop()
    draft.begin(presets, usable)
    from_file.show(usable, partial(draft.load, keeps_image=True))
    left, right = st.container(key="draft-fields").columns([5, 7], gap="large")
    with left:
        image = _image()
    with right:
        model = _model(usable, presets, image)
        _prompt(_preset(presets, usable)["prompts"])
        timed.show()
        _length(float(model["max_seconds"]))
        _order_and_seed(orders, model)
        advanced.show(models, known)
    with left, st.container(key="draft-after"):
        media.show(model)
        several.show()
        plan = plan_preview.show(model, image.size if image else None)
        if image is not None:
            pixels.show_cropped(image.shown, image.size, plan)
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", key="submit"):
        _submit(image is not None or media.draft().video is not None or model["text_to_video"], plan is not None)
    draft.put_by()


def _image() -> Start | None:
    """The start image; its bytes outlive the upload widget, which Streamlit empties when the page is left."""
    state = st.session_state
    upload = st.file_uploader(
        "Start image", type=media.PICTURES, help="PNG, JPEG, WebP, HEIC or AVIF. The first frame of the video."
    )
    beside.reserve("image")
    if upload is not None:
        state["draft_image"], state["draft_image_name"] = upload.getvalue(), upload.name
    data = state.get("draft_image")
    if data is None:
        with st.container(border=True):
            st.markdown(":material/image: The video starts from a picture. Drop one above, or take one of these:")
            for column, path in zip(st.columns(len(media.EXAMPLES)), media.EXAMPLES, strict=True):
                column.image(path)
                column.button(path.stem, key=f"picture-{path.stem}", width="stretch", on_click=_take, args=(path,))
        return None
    try:
        facts, shown = farm_access.look_at(data)
    except FarmError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None
    pixels.reserve()
    st.caption(f"{looks.plain(state['draft_image_name'])} · {facts.width}x{facts.height} pixels")
    return Start((facts.width, facts.height), shown, facts.is_photograph)


def _take(path: Path) -> None:
    """Start from an example."""
    st.session_state["draft_image"], st.session_state["draft_image_name"] = path.read_bytes(), path.name


def _model(usable: dict[str, dict[str, Any]], presets: list[dict[str, Any]], image: Start | None) -> dict[str, Any]:
    """The choice between models, and what the chosen one is good for."""
    st.selectbox(
        "Model",
        list(usable),
        key="draft_model_type",
        format_func=lambda name: usable[name]["title"],
        on_change=draft.choose_model,
        args=(presets, usable),
    )
    model = usable[st.session_state["draft_model_type"]]
    st.caption(_about(model))
    if model["drawn"] and image is not None and image.photograph:
        st.warning(
            "This looks like a photograph. This model moves drawn figures only: all else stays as it is, or the camera "
            "zooms or pans if you ask for it. Take a drawing such as the examples, or another model.",
            icon=":material/warning:",
        )
    return model


def _about(model: Mapping[str, Any]) -> str:
    """What a model makes, of what, at most how long."""
    height, width = model["buckets"][0]
    knows = "Drawn figures, like those of the examples" if model["drawn"] else "Pictures of all kinds"
    without = ", also without a start image" if model["text_to_video"] else ""
    return f"{knows}{without} · about {width}x{height} pixels at {model['fps']} fps · up to {model['max_seconds']:g} s"


def _preset(presets: list[dict[str, Any]], models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    choice, save = st.columns([5, 2], vertical_alignment="bottom")
    choice.selectbox(
        "Preset",
        [preset["name"] for preset in presets],
        key="draft_preset",
        on_change=draft.apply_preset,
        args=(presets, models),
        help="Sets the values under Advanced; what you change there afterwards is kept.",
    )
    with save:
        preset_form.show(draft.fields(), presets)
    preset = next(preset for preset in presets if preset["name"] == st.session_state["draft_preset"])
    st.caption(looks.plain(preset["description"]))
    return preset


def _prompt(examples: list[str]) -> None:
    st.text_area(
        "Prompt",
        key="draft_prompt",
        height=96,
        max_chars=longest("prompt"),
        placeholder="Subject, then motion, then how: The girl dances gracefully, with clear movements, full of charm.",
    )
    beside.reserve("prompt")
    if examples:
        st.caption("Quick examples")
        with st.container(key="examples", gap="xsmall"):
            for number, prompt in enumerate(examples):
                st.button(prompt, key=f"example-{number}", type="tertiary", on_click=_use_prompt, args=(prompt,))


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
    beside.reserve("length")


def _slid() -> None:
    st.session_state["draft_total_second_length"] = st.session_state["draft_slider"]


def _order_and_seed(orders: list[dict[str, Any]], model: dict[str, Any]) -> None:
    state = st.session_state
    names = [order["name"].replace(":k", ":4") for order in orders]
    if state["draft_order"] not in names:
        names.append(state["draft_order"])
    summaries = {order["name"].replace(":k", ":4"): order["summary"] for order in orders}
    trained = [*model["orders"], "auto"]
    order, seed, dice = st.columns([4, 4, 3], vertical_alignment="bottom")
    order.selectbox(
        "Order",
        sorted(names, key=lambda name: name not in trained),
        key="draft_order",
        format_func=lambda name: name if name in trained else f"{short_name(name)} (experimental)",
        help="Which sections are rendered when; decides how many can run at the same time.",
    )
    seed.text_input("Seed", key="draft_seed", disabled=state["draft_random_seed"])
    dice.toggle("Random", key="draft_random_seed", on_change=_draw_seed)
    if not state["draft_random_seed"] and draft.seed() is None:
        st.caption(f":orange[The seed is a whole number from 0 to {ends('seed')[1] - 1}.]")
    if summary := summaries.get(state["draft_order"]):
        st.caption(summary)


def _draw_seed() -> None:
    """Turning Random off leaves a fresh seed to start from."""
    if not st.session_state["draft_random_seed"]:
        st.session_state["draft_seed"] = str(random.randrange(2**31))


def _submit(can_start: bool, planned: bool) -> None:
    """What queues the draft, always in sight."""
    state = st.session_state
    needed = {
        "a start image": can_start,
        "a prompt": state["draft_prompt"].strip(),
        "a seed": state["draft_random_seed"] or draft.seed() is not None,
    }
    missing = [name for name, there in needed.items() if not there]
    st.toggle(
        "Draft first",
        key="draft_draft",
        help="Fewer steps, a smaller picture where the model has one, and a step cache: a fraction of the time. "
        "Promote on its page renders the same video in full.",
    )
    what, count = "draft" if state["draft_draft"] else "video", several.batch().size
    label = f"Queue {what}" if count == 1 else f"Queue {count} {what}s"
    able = planned and not missing
    if st.button(label, type="primary", icon=":material/send:", disabled=not able, shortcut="Ctrl+Enter"):
        _queue(count)
    elif missing:
        st.caption(f"Needs {' and '.join(missing)}.")
    elif not planned:
        st.caption(":orange[Something above can't be used; it is marked there.]")
    elif state.get("submitted"):
        st.page_link(state["pages"]["job"], label="Last submitted video", query_params={"id": state["submitted"]})


def _queue(count: int) -> None:
    state = st.session_state
    if count > 1 or state["draft_sweeps"].strip():
        if (made := several.submit(media.draft(), draft.fields())) is not None:
            replacing.finish(made[0])
            looks.go("queue")
        return
    try:
        job = farm_access.client().submit(media.draft(), draft.fields(), state["draft_key"])
    except FarmError as error:
        beside.tell(error)
        return
    state["draft_key"] = uuid.uuid4().hex
    state["submitted"] = job["id"]
    replacing.finish(job["id"])
    looks.go("job", id=job["id"])
