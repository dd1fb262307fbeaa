"""Options that `farm render` and `farm submit` share, and the request fields that they stand for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.errors import InputError
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
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="WORD", help="Only on nodes with this label; may be repeated. See `farm nodes`."),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Settings to start from: the JSON beside a finished video, or FramePack-Studio's; other options win.",
    ),
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
    "label": "labels",
    "end_strength": "end_image_strength",
    "extend_at": "extend",
    "extend_output": "extend_output",
    "name": "name",
    "priority": "priority",
}
"""Request fields by the name of the command's parameter."""


OF_FILES = frozenset({"image_sha256", "end_image_sha256", "video_sha256", "keyframes"})
"""Fields that say which files a request came with."""


def request_fields(options: Mapping[str, Any], complete: bool = True) -> dict[str, Any]:
    """What was given of a command's ``options``, ``--from`` and ``--set`` included, as request fields.

    ``complete``: they are all that there is, so a prompt must be among them.

    Raises:
        InputError: a pair of ``--set`` is not KEY=VALUE, the file of ``--from`` can't be read, or there is no prompt.
    """
    given = {field: options.get(option) for option, field in _FIELDS.items()}
    fields = {field: value for field, value in given.items() if value is not None and value is not False}
    for several in ("loras", "labels"):
        if not fields.get(several):
            fields.pop(several, None)
    if source := options.get("from_"):
        fields = read_settings(source) | fields
    fields |= parse_fields(options.get("set_") or [])
    if complete and not {"prompt", "prompt_text"} & fields.keys():
        raise InputError("there is no prompt; say with --prompt what should happen in the video.")
    return fields


def read_settings(path: Path) -> dict[str, Any]:
    """Request fields in a JSON file: a manifest's, a request's own, or FramePack-Studio's. Files are not among them."""
    import json

    from farm.texts import decode

    try:
        found = json.loads(decode(path.read_bytes(), str(path)))
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}; --from takes a JSON file.") from None
    except ValueError as error:
        raise InputError(f"{path} is no JSON file ({error}); --from takes one with settings.") from None
    if isinstance(found, dict) and isinstance(found.get("request"), dict):
        found = found["request"]
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object; --from takes one with settings.")
    return {name: value for name, value in found.items() if name not in OF_FILES}


def parse_fields(pairs: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` pairs as request fields; a value that reads as JSON is taken as such, else as text."""
    import json

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
