"""What a training is shown: clips of a config's files, with captions, each in its nearest bucket. No torch."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from farm.errors import InputError
from farm.files import written_aside
from farm.texts import decode
from model.family import FamilyInfo
from model.footage.apart import frames_apart, open_image_apart
from model.footage.buckets import Bucket
from model.footage.footage import FileFacts
from model.plan.plan import pixel_frames
from model.settings import ModelSettings
from model.weights import known_sha256

from .config import Data

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jxl")
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif")
HELD = 5
"""How often a still picture is shown: the codec makes two latents of that, the second like those of a video."""

OnFile = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True)
class Clip:
    """A stretch of a video, or a picture, as it is shown.

    ``sha256`` is the file's; ``first`` and ``frames``: its pixel frames at the family's rate; a picture has ``frames``
    1. ``sections``: how many a video of that length has; 0 for a picture.
    """

    file: Path
    sha256: str
    caption: str
    bucket: Bucket
    first: int = 0
    frames: int = 1
    sections: int = 0
    repeats: int = 1

    @property
    def name(self) -> str:
        return self.file.name if self.sections == 0 else f"{self.file.name} from frame {self.first}"


def find_clips(
    sources: Sequence[Data],
    info: FamilyInfo,
    settings: ModelSettings,
    notes: Path,
    on_file: OnFile = lambda done, count: None,
) -> list[Clip]:
    """All clips of ``sources``, in an order that depends on names alone.

    Captions are looked at first, then every file is decoded to its end, so that a faulty one is known before anything
    is computed. What was found in a file is kept in the folder ``notes``, and such files are not read again.
    ``settings``: of this machine.

    Raises:
        InputError: names the file: no caption, not readable, shorter than one section; or there is no file at all.
    """
    found = [(file, caption, source) for source in sources for file, caption in _captioned(source)]
    clips: list[Clip] = []
    on_file(0, len(found))
    for done, (file, caption, source) in enumerate(found, start=1):
        clips += _clips_of(file, known_sha256(file, settings), caption, source, info, notes)
        on_file(done, len(found))
    return clips


def _captioned(source: Data) -> list[tuple[Path, str]]:
    """The files of a source with their captions."""
    files = [source.file] if source.file else _files_in(source)
    names = {file.name for file in files}
    if stranger := next((name for name in source.captions if name not in names), None):
        raise InputError(f"captions: no file {stranger!r} in {source.folder or source.file}; correct its name.")
    return [(file, _caption(file, source)) for file in files]


def _files_in(source: Data) -> list[Path]:
    assert source.folder is not None
    if not source.folder.is_dir():
        raise InputError(f"{source.folder}: no such folder; paths in a config are seen from its own folder.")
    files = [file for file in sorted(source.folder.iterdir()) if file.suffix.lower() in PICTURES + VIDEOS]
    if not files:
        kinds = " ".join(PICTURES[:4] + VIDEOS[:4])
        raise InputError(f"{source.folder}: it holds no video and no picture ({kinds} ...).")
    return files


def _caption(file: Path, source: Data) -> str:
    if not file.is_file():
        raise InputError(f"{file}: no such file; paths in a config are seen from its own folder.")
    beside = file.with_suffix(".txt")
    said = source.captions.get(file.name)
    if said is None and beside.is_file():
        said = decode(beside.read_bytes(), str(beside))
    said = " ".join((said if said is not None else source.caption or "").split())
    if not said:
        raise InputError(
            f"{file}: it has no caption; write what it shows into {beside.name} beside it, or give [[data]] a caption."
        )
    return said


def _clips_of(file: Path, sha256: str, caption: str, source: Data, info: FamilyInfo, notes: Path) -> Iterator[Clip]:
    facts = _facts(file, sha256, info.fps, notes)
    bucket = info.bucket(facts.height, facts.width, source.resolution)
    if not facts.frames:
        yield Clip(file, sha256, caption, bucket, repeats=source.repeats)
        return
    step = pixel_frames(1 + info.window) - 1
    whole = (facts.frames - 1) // step
    if not whole:
        raise InputError(
            f"{file}: it has {facts.frames} frames at {info.fps} a second; a section of {info.name} takes {step + 1}. "
            "Give a longer one, or a picture of it."
        )
    for first in range(0, whole, source.sections):
        sections = min(source.sections, whole - first)
        yield Clip(file, sha256, caption, bucket, first * step, sections * step + 1, sections, source.repeats)


def _facts(file: Path, sha256: str, fps: int, notes: Path) -> FileFacts:
    """What is in a file; decoded unless ``notes`` know it."""
    note = notes / f"{sha256}-{fps}.json"
    if note.is_file():
        return FileFacts(**json.loads(note.read_bytes()))
    data = file.read_bytes()
    try:
        if file.suffix.lower() in VIDEOS:
            with frames_apart(data, fps) as (facts, _):
                pass
        else:
            facts, _ = open_image_apart(data, side=16)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    with written_aside(note) as aside:
        aside.write_text(json.dumps(asdict(facts)))
    return facts
