"""Options that `farm render` and `farm submit` share, and the request fields that they stand for."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from model.choices import CACHES

Seconds = Annotated[float | None, typer.Option("--seconds", "-s", help="Length; rounded to whole sections of 1.2 s.")]
Preset = Annotated[str | None, typer.Option(help="Named settings; `farm presets` lists them.")]
Model = Annotated[str | None, typer.Option(help="Model family; `farm models` lists them.")]
Order = Annotated[str | None, typer.Option(help="Order in which sections are rendered.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same video; -1 draws one.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps per section.")]
Sampler = Annotated[str | None, typer.Option(help="unipc, unipc_bh2, euler or a scheduler of diffusers.")]
Cache = Annotated[str | None, typer.Option(help=f"Step cache: {', '.join(CACHES)}; all but none skip work.")]
Resolution = Annotated[int | None, typer.Option(help="Size class; `farm plan --image` shows what it gives.")]
OutputFps = Annotated[int | None, typer.Option(help="Frame rate of the file; the length stays.")]
MotionBias = Annotated[float | None, typer.Option(help="-1 moves motion to the beginning of the clip, 1 to its end.")]
ConsistencyBoost = Annotated[
    float | None, typer.Option(help="0 to 1: holds colours to the start image and evens out seams.")
]
Tail = Annotated[
    str | None, typer.Option(help="Frames beyond the context: auto, td (dropped), ta (pooled), tc (averaged).")
]
ExactLength = Annotated[bool, typer.Option("--exact-length", help="Trim the end to the length asked for.")]
Exporter = Annotated[str | None, typer.Option(help="Output format.")]
Loras = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[:WEIGHT]", help="A LoRA, weight 1 if not said; may be repeated. See `farm loras`."),
]
Fields = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other field, such as gs=8.")]

_FIELDS = {
    "prompt": "prompt",
    "seconds": "total_second_length",
    "preset": "preset",
    "model": "model_type",
    "order": "order",
    "seed": "seed",
    "steps": "steps",
    "sampler": "sampler",
    "cache": "cache",
    "resolution": "resolution",
    "output_fps": "output_fps",
    "motion_bias": "motion_bias",
    "consistency_boost": "consistency_boost",
    "tail": "tail",
    "exact_length": "exact_length",
    "exporter": "exporter",
    "lora": "loras",
    "end_strength": "end_image_strength",
    "extend_at": "extend",
    "extend_output": "extend_output",
    "name": "name",
    "priority": "priority",
}
"""Request fields by the name of the command's parameter."""


def request_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of a command's ``options``, ``--set`` included, as request fields.

    Raises:
        InputError: a pair of ``--set`` is not KEY=VALUE.
    """
    given = {field: options.get(option) for option, field in _FIELDS.items()}
    fields = {field: value for field, value in given.items() if value is not None and value is not False}
    if not fields.get("loras"):
        fields.pop("loras", None)
    return fields | parse_fields(options.get("set_") or [])


def parse_fields(pairs: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` pairs as request fields; a value that reads as JSON is taken as such, else as text."""
    import json

    from farm.errors import InputError

    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes KEY=VALUE, such as gs=8, not {pair!r}")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return fields
