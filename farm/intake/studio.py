"""Settings of FramePack-Studio, as its JSON files and picture texts hold them, in the farm's own names."""

from collections.abc import Mapping, Sequence
from typing import Any

ALIASES = {
    "negative_prompt": "n_prompt",
    "prompt_text": "prompt",
    "blend_sections": "prompt_blend_sections",
    "end_frame_strength": "end_image_strength",
}
"""Its names for some of our fields; understood everywhere."""

MARKS = frozenset(
    {
        "latent_window_size",
        "resolutionW",
        "resolutionH",
        "use_teacache",
        "use_magcache",
        "teacache_num_steps",
        "end_frame_used",
        "input_image_path",
        "app_version",
    }
)
"""Keys that no request of ours has: where one stands, the whole is FramePack-Studio's."""

_MODELS = {"original": "framepack", "f1": "framepack-f1", "video": "framepack", "video f1": "framepack-f1"}
_WITH_ENDFRAME = " with endframe"
_LATENTS = {"green screen": "green"}
_OWN_BUSINESS = frozenset(
    {"app_version", "end_frame_used", "input_image_path", "gpu_memory_preservation", "save_metadata", "timestamp"}
)
"""Keys that say nothing of the video."""
MOST_CRF = 51


def is_studio(fields: Mapping[str, Any]) -> bool:
    """Whether these are FramePack-Studio's settings and not a request of ours."""
    return not MARKS.isdisjoint(fields)


def translate(
    fields: Mapping[str, Any], known: Sequence[str], resolutions: Sequence[int], window: int
) -> tuple[dict[str, Any], list[str]]:
    """The same settings as fields of a request, and what a person should know of the translation.

    Args:
        fields: with keys of FramePack-Studio; ``ALIASES`` are resolved already.
        known: the fields that a request has.
        resolutions: those of the model that will render.
        window: the model's latent frames per section.
    """
    notes: list[str] = []
    made = {name: value for name, value in fields.items() if name in known}
    unknown = sorted(set(fields) - set(known) - MARKS - _OWN_BUSINESS)
    if unknown:
        notes.append(f"not understood and left out: {', '.join(map(str, unknown))}.")
    if isinstance(blank := made.get("latent_type"), str):
        made["latent_type"] = _LATENTS.get(blank.casefold(), blank.casefold())
    if isinstance(loras := made.get("loras"), Mapping):
        made["loras"] = [{"name": name, "weight": weight} for name, weight in loras.items()]
    if "cache" not in fields and ("use_teacache" in fields or "use_magcache" in fields):
        made["cache"] = "mag" if fields.get("use_magcache") else "tea" if fields.get("use_teacache") else "none"
    sides = [fields[name] for name in ("resolutionW", "resolutionH") if _is_number(fields.get(name))]
    if sides and "resolution" not in fields:
        wanted = sum(sides) / len(sides)
        made["resolution"] = nearest = min(resolutions, key=lambda size: abs(size - wanted))
        if nearest != wanted:
            notes.append(f"resolution {wanted:g}: the nearest that the model has is {nearest}.")
    size, crf = fields.get("latent_window_size", window), made.get("mp4_crf", 0)
    if size != window:
        notes.append(f"latent_window_size {size}: the model's own is {window}, and no other is possible.")
    if _is_number(crf) and crf > MOST_CRF:
        made["mp4_crf"] = MOST_CRF
        notes.append(f"mp4_crf {crf:g}: the encoder knows 0 to {MOST_CRF}.")
    return made, notes


def model_named(words: object) -> object:
    """The model family for a generation type such as ``Original with Endframe``; anything else as it is."""
    if not isinstance(words, str):
        return words
    return _MODELS.get(words.strip().casefold().removesuffix(_WITH_ENDFRAME), words)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
