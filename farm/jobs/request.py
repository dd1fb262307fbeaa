"""What a video is made from: one frozen, validated record with the field names users know."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from farm.errors import unknown_name
from farm.texts import is_visible, one_line
from model.cache_kinds import all_caches, content_of_cache
from model.choices import CACHES, MAX_LORAS, MAX_WEIGHT, SAMPLERS, Fit, FitKind, Lora
from model.plan.anchors import END_IMAGE, SOURCE_VIDEO, START_IMAGE, Given, keyframe_name
from model.plan.make import BLEND_SECTIONS
from model.quality.gate import MOST_TAKES

from .fields import ONE_LINE, PLAIN, Sha256

MAX_PROMPT = 2000
MAX_SECONDS = 3600.0
MAX_KEYFRAMES = 32
MAX_STEPS = 100
MAX_CFG = 32.0
RANDOM_SEEDS = 2**31
"""Drawn seeds lie in 0 to 2**31 - 1, the range that the known user interfaces accept."""

UNKNOWN_NAME = "unknown_name"
"""Type of pydantic's error for a name that is none of a list; its message is whole."""


def one_of(kind: str, known: Mapping[str, str]) -> Callable[[object], str]:
    """A validator that gives a name as ``known`` spells it, whatever its case, or suggests the nearest."""
    spelled = {name.casefold(): name for name in known}

    def spell(value: object) -> str:
        name = str(value).strip()
        if name.casefold() not in spelled:
            raise PydanticCustomError(UNKNOWN_NAME, "{text}", {"text": str(unknown_name(kind, name, list(known)))})
        return spelled[name.casefold()]

    return spell


def spelled_cache(value: object) -> object:
    """As ``one_of``, with the caches of plug-ins; one that names its content need not be known here."""
    name = str(value).strip()
    return name if content_of_cache(name) else one_of("cache", all_caches())(name)


def read_lora(value: object) -> object:
    """A LoRA from ``NAME`` or ``NAME:WEIGHT``, or from its fields."""
    if isinstance(value, str):
        name, colon, weight = value.rpartition(":")
        return {"name": name, "weight": weight} if colon else {"name": value}
    if isinstance(value, Mapping):
        for key in value:
            if key not in Lora.__dataclass_fields__:
                raise PydanticCustomError(
                    UNKNOWN_NAME, "{text}", {"text": str(unknown_name("field of a LoRA", key, ["name", "weight"]))}
                )
    return value


def within_range(lora: Lora) -> Lora:
    """Refuse a LoRA without a name or with a weight out of range."""
    if not one_line(lora.name).strip():
        raise ValueError("should have a name")
    if not -MAX_WEIGHT <= lora.weight <= MAX_WEIGHT:
        raise ValueError(f"should have a weight from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}")
    return lora


def each_once(loras: tuple[Lora, ...]) -> tuple[Lora, ...]:
    """Refuse a LoRA that is named twice."""
    names = [lora.name.casefold() for lora in loras]
    if len(set(names)) < len(names):
        raise ValueError("should name each LoRA once; add up its weights")
    return loras


def visible(text: str) -> str:
    """Refuse a text of which nothing can be seen, such as characters of no width."""
    if text and not is_visible(text):
        raise ValueError("should hold something that can be seen")
    return text


OneLora = Annotated[Lora, BeforeValidator(read_lora), AfterValidator(within_range)]
Loras = Annotated[tuple[OneLora, ...], Field(max_length=MAX_LORAS), AfterValidator(each_once)]
Sampler = Annotated[
    str, BeforeValidator(one_of("sampler", SAMPLERS)), Field(json_schema_extra={"enum": list(SAMPLERS)})
]
Cache = Annotated[
    str, BeforeValidator(spelled_cache), Field(max_length=300, json_schema_extra={"examples": list(CACHES)})
]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Threshold = Annotated[float, Field(ge=0.001, le=1, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]


GATE = ("quality_gate", "retakes")
"""Fields that say what becomes of a section that is outside its limits; they decide pixels only where it is rendered
again."""
LATER = frozenset({"image_fit", "image_position", *GATE})
"""Fields that requests did not always have: at their defaults they are no part of the digest, which so stays that of
earlier requests."""


GateKind = Literal["off", "warn", "stop", "retake"]
GATES: Mapping[str, str] = {
    "off": "sections are not judged while others are rendered",
    "warn": "the job's history says which section is outside which limit",
    "stop": "the job is paused at the first section that is outside",
    "retake": "such a section is rendered again with other seeds, and the best take goes into the video",
}
"""What becomes of a section that is outside its limits, by ``quality_gate``."""


class Keyframe(BaseModel):
    """A picture that the video passes at ``second``; it stands on the nearest seam between two sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    second: Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
    image_sha256: Sha256


class RenderRequest(BaseModel):
    """All that decides a video's pixels, and nothing else: equal requests give equal videos.

    Unknown keys are an error, never dropped. Names and ranges follow FramePack and FramePack-Studio.
    Pictures and video travel beside it, as bytes (``model.footage.media.Media``); the ``sha256`` fields name them.
    ``image_fit`` and ``image_position`` say how they come into the size of the video (``model.choices.Fit``).
    ``quality_gate``: one of ``GATES``; ``retakes``: other takes of a section, each with a seed of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT), PLAIN, AfterValidator(visible)]
    n_prompt: Annotated[str, Field(max_length=MAX_PROMPT), PLAIN] = ""
    prompt_blend_sections: Annotated[int, Field(ge=0, le=10)] = BLEND_SECTIONS
    image_sha256: Sha256 | None = None
    image_fit: FitKind = "crop"
    image_position: Share = 0.5
    latent_type: Literal["noise", "white", "black", "green"] = "noise"
    end_image_sha256: Sha256 | None = None
    end_image_strength: Annotated[float, Field(ge=0.05, le=1, allow_inf_nan=False)] = 1.0
    keyframes: Annotated[tuple[Keyframe, ...], Field(max_length=MAX_KEYFRAMES)] = ()
    video_sha256: Sha256 | None = None
    extend: Literal["end", "start"] = "end"
    extend_output: Literal["joined", "extension"] = "joined"
    num_cleaned_frames: Annotated[int, Field(ge=1, le=19)] = 5
    model_type: Annotated[str, ONE_LINE] = "puppet"
    total_second_length: Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)] = 5.0
    exact_length: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 31337
    order: Annotated[str, ONE_LINE] = "bisect"
    tail: Literal["auto", "td", "ta", "tc"] = "auto"
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] = 25
    gs: Annotated[float, Field(ge=1, le=32, allow_inf_nan=False)] = 10.0
    cfg: Annotated[float, Field(ge=1, le=MAX_CFG, allow_inf_nan=False)] = 1.0
    rs: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    shift: Annotated[float | None, Field(gt=0, le=100, allow_inf_nan=False)] = None
    sigma_exponent: Annotated[float, Field(ge=0.5, le=2, allow_inf_nan=False)] = 1.0
    sampler: Sampler = "unipc"
    cache: Cache = "none"
    teacache_rel_l1_thresh: Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False)] = 0.15
    magcache_threshold: Threshold = 0.1
    magcache_max_consecutive_skips: Annotated[int, Field(ge=1, le=10)] = 2
    magcache_retention_ratio: Share = 0.25
    magcache_ratios: Annotated[tuple[Ratio, ...], Field(max_length=100)] = ()
    first_block_threshold: Threshold = 0.05
    taylor_interval: Annotated[int, Field(ge=2, le=10)] = 3
    loras: Loras = ()
    resolution: Annotated[int | None, Field(ge=32, le=4096)] = None
    motion_bias: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = 0.0
    consistency_boost: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    vae_tiling: Literal["auto", "on", "off"] = "auto"
    quality_gate: GateKind = "off"
    retakes: Annotated[int, Field(ge=1, le=MOST_TAKES)] = 2

    @property
    def digest(self) -> str:
        """Names the video: SHA-256 of the fields, in hex."""
        fields = {name for name in RenderRequest.model_fields if name not in LATER or self._says(name)}
        return hashlib.sha256(self.model_dump_json(include=fields).encode()).hexdigest()

    @property
    def fit(self) -> Fit:
        """How its pictures and video come into the size of the video."""
        return Fit(self.image_fit, self.image_position)

    @property
    def given(self) -> Given:
        """What of its pictures and video decides the plan."""
        return Given(
            start_image=self.image_sha256 is not None or self.video_sha256 is not None,
            end_strength=None if self.end_image_sha256 is None else self.end_image_strength,
            keyframes=tuple(keyframe.second for keyframe in self.keyframes),
            extend=None if self.video_sha256 is None else self.extend,
            context_latents=self.num_cleaned_frames,
        )

    @property
    def joins_video(self) -> bool:
        """Whether the finished video begins or ends with the given one."""
        return self.video_sha256 is not None and self.extend_output == "joined"

    @property
    def exports_video(self) -> bool:
        """Whether the export reads the given video: to join it, or because new frames take on its colours."""
        leads_to_it = self.video_sha256 is not None and self.extend == "start" and self.consistency_boost > 0
        return self.joins_video or leads_to_it

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of every file that travels beside it, by the name of its artifact."""
        single = {START_IMAGE: self.image_sha256, END_IMAGE: self.end_image_sha256, SOURCE_VIDEO: self.video_sha256}
        numbered = {keyframe_name(i): keyframe.image_sha256 for i, keyframe in enumerate(self.keyframes)}
        return {name: sha256 for name, sha256 in (single | numbered).items() if sha256 is not None}

    def _says(self, name: str) -> bool:
        if name in GATE:
            return self.quality_gate == "retake"
        return bool(getattr(self, name) != RenderRequest.model_fields[name].default)
