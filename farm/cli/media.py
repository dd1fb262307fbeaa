"""Options of `farm render` and `farm submit` for pictures and video: what a video starts from and leads to."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from model.footage.media import Media

AUDIO_OPTIONS = ("start", "end", "at", "loop", "gain", "fade_in", "fade_out")
"""What may stand behind a sound track, of the fields ``audio_...``."""

Image = Annotated[
    Path | None,
    typer.Argument(
        help="The start image: PNG, JPEG or WebP. May be left out with --extend, and for models that need none.",
        show_default=False,
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        "-p",
        help="What happens in the video. In brackets, prompts with times: 'A girl. \\[0s-2s: She waves.] "
        "\\[2s: She walks away.]'; text outside brackets goes before each of them.",
        show_default=False,
    ),
]
EndImage = Annotated[
    Path | None, typer.Option("--end-image", help="A picture that the video leads to; it is the frame after the last.")
]
EndStrength = Annotated[
    float | None, typer.Option("--end-strength", min=0.05, max=1, help="How strongly the end image acts; 1 is full.")
]
Keyframes = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        metavar="SECOND=FILE",
        help="A picture on the way, such as 2.4=jump.png, placed on the nearest seam between two sections; repeat it "
        "for more. The stretches between pictures render at the same time.",
    ),
]
Extend = Annotated[
    Path | None, typer.Option("--extend", metavar="VIDEO", help="A video to make longer, at most two minutes long.")
]
ExtendAt = Annotated[
    str | None,
    typer.Option(
        "--extend-at", metavar="end|start", help="Go on from its end (the default), or make what comes before it."
    ),
]
ExtendOutput = Annotated[
    str | None,
    typer.Option(
        "--extend-output", metavar="joined|extension", help="Write both in one (the default), or the new part alone."
    ),
]
Audio = Annotated[
    str | None,
    typer.Option(
        metavar="FILE[:OPTION=VALUE,...]",
        help="A sound track to lay under the video, such as song.mp3:start=3,loop=yes,fade_out=2,gain=-6; also end, at "
        "and fade_in.",
    ),
]
_OPTIONS = re.compile(r"(.+?):(\w+=[^:]*)")
"""Of a sound track; a file's name may hold colons, too."""


def read_media(
    image: Path | None,
    end_image: Path | None,
    keyframes: list[str] | None,
    video: Path | None,
    extend_at: str | None,
    audio: str | None = None,
) -> "tuple[Media, dict[str, Any]]":
    """The files, and the request field with the keyframes' seconds, if any.

    Raises:
        InputError: a file can't be read, a keyframe is not SECOND=FILE, or there is no video to extend.
    """
    from farm.errors import InputError
    from model.footage.media import Media

    if extend_at and video is None:
        raise InputError(f"--extend-at {extend_at} needs a video; name it with --extend VIDEO")

    seconds: list[float] = []
    pictures: list[bytes] = []
    for pair in keyframes or ():
        second, file = _keyframe(pair)
        seconds.append(second)
        pictures.append(read_file(file, "keyframe"))
    media = Media(
        image=None if image is None else read_file(image, "image"),
        end_image=None if end_image is None else read_file(end_image, "end image"),
        keyframes=tuple(pictures),
        video=None if video is None else read_file(video, "video"),
    )
    fields: dict[str, Any] = {"keyframes": seconds} if seconds else {}
    if audio is not None:
        track, of_audio = read_audio(audio)
        media, fields = replace(media, audio=track), fields | of_audio
    return media, fields


def read_audio(given: str) -> tuple[bytes, dict[str, str]]:
    """A sound track, and the fields ``audio_...`` that were given behind its name; InputError when it can't be read."""
    from farm.errors import InputError

    found = _OPTIONS.fullmatch(given)
    name, pairs = (found[1], found[2].split(",")) if found else (given, [])
    fields = {}
    for pair in pairs:
        option, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or option not in AUDIO_OPTIONS:
            raise InputError(f"--audio takes {', '.join(AUDIO_OPTIONS)} as OPTION=VALUE behind the file, not {pair!r}")
        fields[f"audio_{option}"] = value
    return read_file(Path(name), "sound track"), fields


def _keyframe(pair: str) -> tuple[float, Path]:
    from farm.errors import InputError

    second, equals, file = pair.partition("=")
    try:
        if not equals or not file:
            raise ValueError
        return float(second.strip().removesuffix("s")), Path(file)
    except ValueError:
        raise InputError(f"--keyframe takes SECOND=FILE, such as 2.4=jump.png, not {pair!r}") from None


def read_file(path: Path, what: Literal["image", "end image", "keyframe", "video", "sound track"]) -> bytes:
    """The bytes of a file; InputError when there is no such readable one."""
    from farm.errors import InputError

    kinds = {"video": "an MP4, MOV, MKV or WebM", "sound track": "a WAV, FLAC, MP3, Ogg or M4A"}
    try:
        return path.read_bytes()
    except OSError as error:
        kind = kinds.get(what, "a PNG, JPEG or WebP")
        raise InputError(f"can't read the {what} {path}: {error.strerror}. Give {kind} file.") from None
