"""From a storyboard to a checked film: each shot is a video that is checked by itself, and all must fit together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from farm.errors import InputError
from farm.films.storyboard import Scene, Storyboard, scenes_of
from farm.jobs.names import in_film
from farm.jobs.order import JobOrder
from farm.jobs.plan_facts import film_facts
from farm.jobs.records import Job
from farm.jobs.request import RenderRequest
from farm.settings import Settings
from model.footage.buckets import Bucket
from model.footage.media import AUDIO, Media
from plugins.manager import PluginManager, get_manager

from .orders import Look, alone
from .queue import bucket_of
from .request import Accepted, accept

SEED = RenderRequest.model_fields["seed"].default
"""Of shots without one: drawn ones would render every shot again whenever one of them is changed."""


@dataclass(frozen=True)
class AcceptedShot:
    """``media``: its own files; ``fade``: frames that it has in common with the shot before."""

    name: str
    accepted: Accepted
    media: Media
    fade: int


@dataclass(frozen=True)
class AcceptedFilm:
    """A film that can be queued. ``notes``: what its owner should know before, a sentence each; ``storyboard``: what it
    was made of, as people write it."""

    shots: tuple[AcceptedShot, ...]
    notes: tuple[str, ...]
    storyboard: Mapping[str, Any]

    @property
    def job_order(self) -> JobOrder:
        """Of the whole film."""
        return self.shots[0].accepted.job_order

    @property
    def plan(self) -> dict[str, Any]:
        """See ``film_facts``."""
        plans = [shot.accepted.plan for shot in self.shots]
        return film_facts(plans, [shot.name for shot in self.shots], [shot.fade for shot in self.shots])


def accept_film(
    storyboard: Storyboard,
    pictures: Mapping[str, bytes],
    audio: bytes | None = None,
    *,
    plugins: PluginManager | None = None,
    look: Look = alone,
    settings: Settings | None = None,
) -> AcceptedFilm:
    """Check everything about a film that can be checked before it exists.

    Args:
        storyboard: what is wanted.
        pictures: the files that it names.
        audio: a sound track for all of it.
        plugins, look, settings: see ``accept``.

    Raises:
        InputError: a shot can't be made, or not in one film with the others; says which.
        ProcessLostError: the process that opens the files was killed; it can be tried again.
    """
    plugins = plugins or get_manager()
    if storyboard.audio and audio is None:
        raise InputError(f"the sound track {storyboard.audio!r} is missing; send it with the storyboard.")
    found, notes = list[AcceptedShot](), list[str]()
    for number, scene in enumerate(scenes_of(storyboard)):
        track = audio if not number else None
        try:
            media = replace(scene.media(pictures), audio=track)
            fields = _fields(storyboard, scene, track is None)
            accepted = accept(fields, media, plugins=plugins, look=look, seed=SEED, settings=settings)
        except InputError as error:
            raise InputError(f"shot {scene.name}: {error}") from None
        if accepted.job_order.full is not None:
            raise InputError(
                f"shot {scene.name} is a draft, which shots can't be; give all of them fewer steps instead."
            )
        fade = round(scene.fade * accepted.plan.fps)
        found.append(AcceptedShot(scene.name, accepted, media, fade))
        notes += [f"shot {scene.name}: {note}" for note in accepted.notes]
    check_together(found)
    return AcceptedFilm(tuple(found), tuple(dict.fromkeys(notes)), storyboard.written)


def pictures_of(job: Job) -> dict[str, str]:
    """The files of a film, with the names that its storyboard has for them, by the names of their artifacts."""
    storyboard = Storyboard.of(job.storyboard)
    found: dict[str, str] = {}
    for number, (scene, shot) in enumerate(zip(scenes_of(storyboard), job.shots, strict=True)):
        found |= {name: in_film(local, number, shot.first) for local, name in scene.files.items()}
    return found | ({storyboard.audio: AUDIO} if storyboard.audio else {})


def _fields(storyboard: Storyboard, scene: Scene, mute: bool) -> dict[str, Any]:
    whole = {name: value for name, value in storyboard.whole.items() if not (mute and name.startswith("audio_"))}
    exact = not scene.end_picture  # which is the frame after the last, and would be trimmed away
    return {"exact_length": exact, **whole, **scene.fields}


def check_together(shots: Sequence[AcceptedShot]) -> None:
    """InputError where shots are of unlike models or sizes, or too short for their fades."""
    first = shots[0].accepted
    for shot, after in zip(shots, [*shots[1:], None], strict=True):
        made, name = shot.accepted, shot.name
        if made.request.model_type != first.request.model_type:
            raise InputError(
                f"shot {name} is of model {made.request.model_type!r}, and shot {shots[0].name} of "
                f"{first.request.model_type!r}; a film is rendered by one model. Make two films and join them."
            )
        if made.request.video_sha256 is not None:
            raise InputError(f"shot {name} extends a video, which a film can't; begin it with a picture.")
        if (size := _said(bucket_of(made))) != (other := _said(bucket_of(first))):
            raise InputError(
                f"shot {name} would be {size}, and shot {shots[0].name} is {other}; give pictures of one shape."
            )
        fades = shot.fade + (after.fade if after else 0)
        if fades > made.plan.output_frames:
            raise InputError(
                f"shot {name} takes {made.plan.seconds:g} s, and fades in and out for {fades / made.plan.fps:g} s; "
                "make it longer, or its fades shorter."
            )


def _said(bucket: Bucket) -> str:
    return f"{bucket[1]}x{bucket[0]}"
