"""Options that `farm render` and `farm submit` share, and the request fields that they stand for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import media
from farm.errors import InputError
from farm.jobs.request import GateKind
from farm.jobs.submission import changed
from farm.texts import json_or_text
from model.choices import CACHES, FitKind
from model.quality.gate import MOST_TAKES

if TYPE_CHECKING:
    from farm.intake.settings_files import Found
    from model.footage.media import Media

Seconds = Annotated[float | None, typer.Option("--seconds", "-s", help="Length; rounded to whole sections of 1.2 s.")]
Preset = Annotated[str | None, typer.Option(help="Named settings; `farm presets` lists them.")]
Model = Annotated[str | None, typer.Option(help="Model family; `farm models` lists them.")]
Order = Annotated[str | None, typer.Option(help="Order in which sections are rendered; auto chooses.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same video; -1 draws one.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps per section.")]
Sampler = Annotated[str | None, typer.Option(help="unipc, unipc_bh2, euler or a scheduler of diffusers.")]
Cache = Annotated[str | None, typer.Option(help=f"Step cache: {', '.join(CACHES)}; all but none skip work.")]
ImageFit = Annotated[
    FitKind | None,
    typer.Option("--image-fit", help="Cut off what is too much, or keep all between black bars."),
]
ImagePosition = Annotated[
    float | None,
    typer.Option("--image-position", min=0, max=1, help="What the crop keeps: 0 its left or top, 0.5 its middle, 1."),
]
Resolution = Annotated[int | None, typer.Option(help="Size class; `farm plan --image` shows what it gives.")]
OutputFps = Annotated[int | None, typer.Option(help="Frame rate of the file; the length stays.")]
MotionBias = Annotated[float | None, typer.Option(help="-1 moves motion to the beginning of the clip, 1 to its end.")]
ConsistencyBoost = Annotated[
    float | None, typer.Option(help="0 to 1: holds colours to the start image and evens out seams.")
]
QualityGate = Annotated[
    GateKind | None,
    typer.Option("--quality-gate", help="A section outside its limits is told of, stops the job, or is made again."),
]
Retakes = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_TAKES, help="Other takes of such a section; the best of all is kept. 2 if not said."),
]
Tail = Annotated[
    str | None, typer.Option(help="Frames beyond the context: auto, td (dropped), ta (pooled), tc (averaged).")
]
ExactLength = Annotated[bool, typer.Option("--exact-length", help="Trim the end to the length asked for.")]
Draft = Annotated[
    bool,
    typer.Option("--draft", help="Fewer steps, smaller, with a step cache; see `farm promote`."),
]
Exports = Annotated[
    list[str] | None,
    typer.Option(
        "--export",
        "--exporter",
        metavar="EXPORTER[:OPTION=VALUE,...]",
        help="Output format, such as webm:crf=30; repeat it for several files. See `farm exporters`.",
    ),
]
Post = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PROCESSOR[:OPTION=VALUE,...]",
        help="What frames pass on their way to the files, such as upscale:scale=2; repeat it. See `farm exporters`.",
    ),
]
FileName = Annotated[
    str | None,
    typer.Option("--file-name", metavar="TEMPLATE", help="What files are called, such as {date}_{name}_{seed}."),
]
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
        help="Settings to start from: a video or contact sheet that the farm wrote, the JSON beside it, FramePack-"
        "Studio's JSON or PNG, or a queue that it exported; other options win.",
    ),
]
Fields = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other field, such as gs=8.")]


class Video:
    """All options that say what is to be rendered."""

    image: media.Image = None
    prompt: media.Prompt = None
    seconds: Seconds = None
    preset: Preset = None
    model: Model = None
    order: Order = None
    seed: Seed = None
    steps: Steps = None
    sampler: Sampler = None
    cache: Cache = None
    resolution: Resolution = None
    image_fit: ImageFit = None
    image_position: ImagePosition = None
    output_fps: OutputFps = None
    motion_bias: MotionBias = None
    consistency_boost: ConsistencyBoost = None
    quality_gate: QualityGate = None
    retakes: Retakes = None
    tail: Tail = None
    exact_length: ExactLength = False
    draft: Draft = False
    end_image: media.EndImage = None
    end_strength: media.EndStrength = None
    keyframe: media.Keyframes = None
    extend: media.Extend = None
    extend_at: media.ExtendAt = None
    extend_output: media.ExtendOutput = None
    export: Exports = None
    post: Post = None
    file_name: FileName = None
    audio: media.Audio = None
    lora: Loras = None
    label: Labels = None
    from_: From = None
    set_: Fields = None


def read_image(path: Path) -> bytes:
    """The bytes of a picture; InputError when it can't be read."""
    return media.read_file(path, "image")


def brought(given: Mapping[str, Any]) -> "list[Found]":
    """The jobs in the file of ``--from``; one without any settings where there is no such option."""
    from farm.intake.settings_files import Found, read_settings

    return read_settings(given["from_"]) if given["from_"] else [Found({})]


def read_media(given: Mapping[str, Any]) -> "tuple[Media, dict[str, Any]]":
    """See ``media.read_media``: the files that those options name."""
    return media.read_media(
        *(given[name] for name in ("image", "end_image", "keyframe", "extend", "extend_at", "audio"))
    )


def over(named: "Media", found: "Media") -> "Media":
    """The files that options name, and for those that they don't the ones that were found with the settings."""
    from dataclasses import replace

    return replace(found, **{name: data for name, data in vars(named).items() if data})


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
    "image_fit": "image_fit",
    "image_position": "image_position",
    "output_fps": "output_fps",
    "motion_bias": "motion_bias",
    "consistency_boost": "consistency_boost",
    "quality_gate": "quality_gate",
    "retakes": "retakes",
    "tail": "tail",
    "exact_length": "exact_length",
    "draft": "draft",
    "export": "exports",
    "post": "post",
    "file_name": "file_name",
    "lora": "loras",
    "label": "labels",
    "end_strength": "end_image_strength",
    "extend_at": "extend",
    "extend_output": "extend_output",
    "name": "name",
    "priority": "priority",
}
"""Request fields by the name of the command's parameter."""


def request_fields(
    options: Mapping[str, Any], complete: bool = True, start: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What was given of a command's ``options``, ``--set`` included, as request fields.

    ``complete``: they are all that there is, so a prompt must be among them; ``start``: fields that they are laid over.

    Raises:
        InputError: a pair of ``--set`` is not KEY=VALUE, or there is no prompt.
    """
    given = {field: options.get(option) for option, field in _FIELDS.items()}
    fields = {field: value for field, value in given.items() if value is not None and value is not False}
    for several in ("loras", "labels", "exports", "post"):
        if not fields.get(several):
            fields.pop(several, None)
    fields = changed(changed(start or {}, fields), parse_fields(options.get("set_") or []))
    if complete and not {"prompt", "prompt_text"} & fields.keys():
        raise InputError("there is no prompt; say with --prompt what should happen in the video.")
    return fields


def parse_fields(pairs: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` pairs as request fields; a value that reads as JSON is taken as such, else as text."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes KEY=VALUE, such as gs=8, not {pair!r}")
        fields[name] = json_or_text(value)
    return fields
