"""The files that a video becomes, in the forms that users send."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    TypeAdapter,
    ValidationError,
)

from farm.errors import UnreadableJobError
from farm.templates import LONGEST, check_template
from model.footage.limits import MAX_SOUND_SECONDS

from .fields import ONE_LINE, Sha256

MAX_EXPORTS = 8
MAX_OPTIONS = 32
MAX_STEPS = 8

OptionValue = StrictBool | StrictInt | StrictFloat | Annotated[str, Field(max_length=400), ONE_LINE]
Options = Annotated[dict[str, OptionValue], Field(max_length=MAX_OPTIONS)]
Second = Annotated[float, Field(ge=0, le=MAX_SOUND_SECONDS, allow_inf_nan=False)]
Fade = Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)]


class PostStep(BaseModel):
    """A post-processor that frames pass on their way to a file. ``options``: those of its own that were given."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    processor: Annotated[str, ONE_LINE]
    options: Options = {}


def read_post(value: object) -> object:
    """A post-processor from ``upscale`` or ``upscale:scale=2,filter=nearest``; anything else as it is."""
    if not isinstance(value, str):
        return value
    name, pairs = _read_pairs(value, "PROCESSOR")
    return {"processor": name, "options": pairs}


class FileFields(BaseModel):
    """What a video is exported as, when that is one file, and what several have in common. Names follow
    FramePack-Studio.

    ``mp4_crf``: quality of lossy encoders, 0 (best) to 51; what an exporter's option ``crf`` is when it is not given.
    ``output_fps``: frames a second of the file, whose length stays; None for those of the model.
    ``frame_interpolation``: how frames come about that were not made.
    ``post``: post-processors, such as ``["upscale:scale=2"]``, in the order in which frames pass them.
    ``file_name``: a template of its name, such as ``{date}_{name}_{seed}``; empty for the farm's.
    ``audio_sha256``: the sound track that came with the job. It is heard from its ``audio_start`` to its ``audio_end``,
    None for all, from second ``audio_at`` of the video on, again and again with ``audio_loop``, louder or lower by
    ``audio_gain`` in dB; ``audio_fade_in`` and ``audio_fade_out``: seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    exporter: Annotated[str, ONE_LINE] = "mp4"
    mp4_crf: Annotated[int, Field(ge=0, le=51)] = 16
    output_fps: Annotated[int | None, Field(ge=1, le=120)] = None
    frame_interpolation: Literal["repeat", "motion"] = "repeat"
    post: Annotated[
        tuple[Annotated[PostStep, BeforeValidator(read_post)], ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        Field(max_length=MAX_STEPS),
    ] = ()
    file_name: Annotated[str, Field(max_length=LONGEST), ONE_LINE, AfterValidator(check_template)] = ""
    audio_sha256: Sha256 | None = None
    audio_start: Second = 0.0
    audio_end: Annotated[float | None, Field(ge=0, le=MAX_SOUND_SECONDS, allow_inf_nan=False)] = None
    audio_at: Second = 0.0
    audio_loop: bool = False
    audio_gain: Annotated[float, Field(ge=-60, le=20, allow_inf_nan=False)] = 0.0
    audio_fade_in: Fade = 0.0
    audio_fade_out: Fade = 0.0


class Export(FileFields):
    """A file that the decoded video becomes. ``options``: those of its exporter that were given."""

    options: Options = {}


def read_export(value: object) -> object:
    """An export from ``webm`` or ``webm:crf=30,output_fps=24``, whose pairs are fields of ``Export`` or options of the
    exporter; anything else as it is."""
    if not isinstance(value, str):
        return value
    exporter, pairs = _read_pairs(value, "EXPORTER")
    if "exporter" in pairs:
        raise ValueError("should name exporter once")
    fields = {name: given for name, given in pairs.items() if name in FileFields.model_fields}
    options = {name: given for name, given in pairs.items() if name not in fields}
    return {"exporter": exporter, **fields} | ({"options": options} if options else {})


Exports = Annotated[tuple[Annotated[Export, BeforeValidator(read_export)], ...], Field(max_length=MAX_EXPORTS)]
"""Files that a video becomes, in the forms that users send."""

_Stored = TypeAdapter(Annotated[tuple[Export, ...], Field(min_length=1, max_length=MAX_EXPORTS)])


def read_exports(stored: Sequence[Mapping[str, Any]]) -> tuple[Export, ...]:
    """Exports as a row has them; UnreadableJobError when this version does not understand them."""
    try:
        return _Stored.validate_python(list(stored))
    except ValidationError as error:
        name = ".".join(str(part) for part in ("exports", *error.errors(include_url=False)[0]["loc"]))
        raise UnreadableJobError(
            f"its {name} can't be read; use the version of the farm that it was submitted to, or submit it again."
        ) from None


def _read_pairs(text: str, what: str) -> tuple[str, dict[str, str]]:
    """``NAME:OPTION=VALUE,...`` as the name and its pairs."""
    name, colon, rest = text.partition(":")
    pairs: dict[str, str] = {}
    for pair in rest.split(",") if colon else ():
        key, equals, given = (part.strip() for part in pair.partition("="))
        if not (key and equals and given):
            raise ValueError(f"should be {what} or {what}:OPTION=VALUE,...; {pair!r} is no OPTION=VALUE")
        if key in pairs:
            raise ValueError(f"should name {key} once")
        pairs[key] = given
    return name, pairs
