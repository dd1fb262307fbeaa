"""Settings of FramePack-Studio, as its JSON files and picture texts hold them, in the farm's own names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ALIASES = {
    "negative_prompt": "n_prompt",
    "prompt_text": "prompt",
    "blend_sections": "prompt_blend_sections",
    "end_frame_strength": "end_image_strength",
}
"""Its names for some of our fields; understood everywhere."""
TEXTS = frozenset({"prompt", "prompt_text", "negative_prompt", "n_prompt", "model_type", "latent_type"})
"""Fields that are texts, whatever they look like."""

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
START_PICTURE = ("saved_input_image_path", "input_image_path")
END_PICTURE = ("saved_end_frame_image_path", "end_frame_image_path")
SOURCE = ("input_video", "video_path")
"""Keys with paths of a job's files."""
_ENDED = frozenset({"completed", "failed", "cancelled"})
_OF_QUEUE = frozenset(
    {"id", "status", "created_at", "started_at", "completed_at", "error", "result", "queue_position", "thumbnail"}
)
_OWN_BUSINESS = _OF_QUEUE | {
    *("app_version", "end_frame_used", "gpu_memory_preservation", "save_metadata", "timestamp"),
    *("generation_type", "has_input_image", "combine_with_source", "output_dir", "metadata_dir"),
    *("input_files_dir", "selected_loras", "lora_values", "lora_loaded_names"),
    *(*START_PICTURE, *END_PICTURE, *SOURCE),
}
"""Keys that say nothing of the video."""
MOST_CRF = 51


def is_studio(fields: Mapping[str, Any]) -> bool:
    """Whether these are FramePack-Studio's settings and not a request of ours."""
    return not MARKS.isdisjoint(fields)


def is_queue(found: Mapping[str, Any]) -> bool:
    """Whether this is its ``queue.json``: jobs by their ids."""
    return bool(found) and all(isinstance(job, Mapping) and {"id", "status"} <= job.keys() for job in found.values())


def waiting(queue: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The settings of the jobs in a ``queue.json`` that have not ended, in its order."""
    for job in queue.values():
        if isinstance(job, Mapping) and job.get("status") not in _ENDED:
            inner = job.get("params")
            yield {**job, **(inner if isinstance(inner, Mapping) else {})} | {"params": None}


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
    if str(fields.get("generation_type", "")).casefold().startswith("video"):
        made["extend_output"] = "joined" if fields.get("combine_with_source") else "extension"
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
