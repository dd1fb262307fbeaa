"""A storyboard: shots in the order in which they are seen, and how each comes after the one before."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.errors import InputError
from farm.jobs.exports import FileFields
from farm.jobs.order import Terms
from farm.jobs.request import RenderRequest
from farm.texts import one_line
from model.footage.media import Media
from model.plan.anchors import END_IMAGE, START_IMAGE, keyframe_name

MAX_SHOTS = 100
FADE = 0.5
"""Seconds of a fade that says none."""
MAX_FADE = 10.0
LONGEST_NAME = 60
OF_SHOTS = ("name", "prompt", "seconds", "picture", "end_picture", "transition")
"""Keys of a shot; all others are fields of its request."""
OF_FILMS = ("name", "every", "shots", "audio")
"""Keys of a storyboard; all others are fields of all its shots."""
OF_ALL = (frozenset(Terms.model_fields) | frozenset(FileFields.model_fields) | {"exports"}) - {"name", "preset"}
"""Fields that shots can't have of their own."""
EXAMPLE = '{"shots": [{"picture": "dancer.png", "prompt": "The puppet waves.", "seconds": 2.4}]}'
_LENGTH = RenderRequest.model_fields["total_second_length"].default
_TRANSITION = re.compile(r"(cut|flow)|fade(?::(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class ShotWish:
    """``picture``, ``end_picture``: names of files, empty for none. ``fade``: seconds in which it comes out of the shot
    before; ``flows``: it goes on from there, as one video with it."""

    name: str
    prompt: str
    seconds: float
    picture: str = ""
    end_picture: str = ""
    fade: float = 0.0
    flows: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Storyboard:
    """``whole``: fields of the requests of all shots; ``audio``: the name of a sound track's file, empty for none;
    ``written``: what it was read from."""

    shots: tuple[ShotWish, ...]
    whole: Mapping[str, Any] = field(default_factory=dict)
    audio: str = ""
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """The names of the pictures that it needs, each once."""
        named = [name for shot in self.shots for name in (shot.picture, shot.end_picture)]
        return [name for name in dict.fromkeys(named) if name]

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> "Storyboard":
        """From its keys as people write them; InputError names the shot and the key that is wrong."""
        every = _table(written, "every")
        shots = written.get("shots")
        if not isinstance(shots, list) or not shots:
            raise InputError(f"the storyboard has no shots; it should look like {EXAMPLE}")
        if len(shots) > MAX_SHOTS:
            raise InputError(f"the storyboard has {len(shots)} shots; a film has at most {MAX_SHOTS}.")
        audio = _text(written, "audio", "the storyboard")
        named = {"name": _text(written, "name", "the storyboard")} if "name" in written else {}
        others = {key: value for key, value in written.items() if key not in OF_FILMS}
        of_shots = {key: every[key] for key in (*OF_SHOTS, "total_second_length") if key in every}
        if wrong := sorted({"name", "transition"} & of_shots.keys()):
            raise InputError(f"{wrong[0]!r} is a shot's own, and can't stand under every.")
        fields = {key: value for key, value in every.items() if key not in OF_SHOTS}
        wishes = [_wish(shot, number, of_shots) for number, shot in enumerate(shots, start=1)]
        return cls(tuple(wishes), {**others, **fields, **named}, audio, written)


@dataclass(frozen=True)
class Scene:
    """Shots that are one video, each flowing into the next, with the fields of its request. ``keyframes``: seconds with
    names of pictures."""

    name: str
    fields: Mapping[str, Any]
    picture: str
    end_picture: str
    keyframes: Sequence[tuple[float, str]]
    fade: float

    @property
    def files(self) -> dict[str, str]:
        """The names of its pictures by those of their artifacts."""
        single = {START_IMAGE: self.picture, END_IMAGE: self.end_picture}
        numbered = {keyframe_name(number): name for number, (_, name) in enumerate(self.keyframes)}
        return {artifact: name for artifact, name in {**single, **numbered}.items() if name}

    def media(self, pictures: Mapping[str, bytes]) -> Media:
        """Its files; InputError when one is missing."""
        if missing := [name for name in self.files.values() if name not in pictures]:
            raise InputError(f"its picture {missing[0]!r} is missing; there are: {', '.join(pictures) or 'none'}.")
        return Media.from_files({artifact: pictures[name] for artifact, name in self.files.items()})


def scenes_of(storyboard: Storyboard) -> list[Scene]:
    """The videos that are rendered each by itself.

    Raises:
        InputError: a shot that flows has fields of its own, or leads away from an end picture.
    """
    groups: list[list[ShotWish]] = []
    for shot in storyboard.shots:
        if shot.flows and groups:
            groups[-1].append(shot)
        elif shot.flows:
            raise InputError(f"shot {shot.name} is the first one, and has nothing to flow from; make it a cut.")
        else:
            groups.append([shot])
    return [_scene(group) for group in groups]


def _scene(shots: Sequence[ShotWish]) -> Scene:
    first, last = shots[0], shots[-1]
    for shot in shots[1:]:
        if shot.fields:
            raise InputError(
                f"shot {shot.name} flows from the one before, as one video with it, and can't have its own "
                f"{sorted(shot.fields)[0]}; make it a cut or a fade."
            )
    for shot in shots[:-1]:
        if shot.end_picture:
            raise InputError(
                f"shot {shot.name} has an end picture, and the next one flows from it; give that one the picture."
            )
    starts = [sum(shot.seconds for shot in shots[:number]) for number in range(len(shots) + 1)]
    prompt = first.prompt
    if len(shots) > 1:
        spans = zip(starts, starts[1:], shots, strict=False)
        prompt = " ".join(f"[{start:g}s-{stop:g}s: {shot.prompt}]" for start, stop, shot in spans)
    keyframes = [(start, shot.picture) for start, shot in zip(starts, shots, strict=False) if shot.picture][
        1 if first.picture else 0 :
    ]
    fields: dict[str, Any] = {**first.fields, "prompt": prompt, "total_second_length": starts[-1]}
    if keyframes:
        fields["keyframes"] = [start for start, _ in keyframes]
    name = first.name if len(shots) == 1 else f"{first.name} to {last.name}"
    return Scene(name, fields, first.picture, last.end_picture, keyframes, first.fade)


def _wish(shot: Any, number: int, every: Mapping[str, Any]) -> ShotWish:
    where = f"shot {number}"
    if not isinstance(shot, Mapping):
        raise InputError(f"{where} is {shot!r}; it should look like {EXAMPLE}")
    given = {**every, **shot}
    name = _name(given, where) or str(number)
    if "total_second_length" in given:
        raise InputError(f"total_second_length of {where}: the length of a shot is called seconds.")
    if whole := sorted(OF_ALL & shot.keys()):
        raise InputError(f"{whole[0]} of {where} is of the whole film; write it above the shots.")
    kind, fade = read_transition(_text(given, "transition", where), where)
    if kind == "fade" and number == 1:
        raise InputError(f"{where} is the first one, and has nothing to fade from; leave out its transition.")
    prompt = _text(given, "prompt", where)
    if not prompt.strip():
        raise InputError(f"{where} has no prompt; say what happens in it.")
    flows = kind == "flow"
    picture = "" if flows and "picture" not in shot else _text(given, "picture", where)
    return ShotWish(
        name,
        prompt.strip(),
        _seconds(given.get("seconds", _LENGTH), where),
        picture,
        _text(given, "end_picture", where),
        fade,
        flows,
        {key: value for key, value in shot.items() if key not in OF_SHOTS},
    )


def _name(shot: Mapping[str, Any], where: str) -> str:
    try:
        name = one_line(_text(shot, "name", where)).strip()
    except ValueError as error:
        raise InputError(f"name of {where} {error}.") from None
    if len(name) > LONGEST_NAME:
        raise InputError(f"name of {where} has {len(name)} letters; {LONGEST_NAME} are the most.")
    return name


def read_transition(text: str, where: str) -> tuple[str, float]:
    """``cut``, ``flow`` or ``fade`` with its seconds, from what is written; nothing is a cut. InputError for others."""
    found = _TRANSITION.fullmatch(text.strip().lower() or "cut")
    if not found:
        raise InputError(f"transition of {where} is {text!r}; expected cut, flow, fade, or its seconds as fade:0.5.")
    if found[1]:
        return found[1], 0.0
    fade = float(found[2] or FADE)
    if not 0 < fade <= MAX_FADE:
        raise InputError(f"transition of {where} takes {fade:g} s; expected up to {MAX_FADE:g}.")
    return "fade", fade


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"seconds of {where} is {value!r}; expected a length such as 2.4.")
    return float(value)


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key) or ""
    if not isinstance(value, str):
        raise InputError(f"{key} of {where} is {value!r}; expected a text.")
    return value


def _table(written: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = written.get(key) or {}
    if not isinstance(value, Mapping):
        raise InputError(f'{key} is {value!r}; expected fields of all shots, such as model = "puppet".')
    return value
