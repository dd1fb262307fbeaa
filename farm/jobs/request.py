"""What a user asks for: one frozen, validated record with the field names users know."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_PROMPT = 2000
MAX_SECONDS = 3600.0

Finite = Field(allow_inf_nan=False)


class RenderRequest(BaseModel):
    """A render job as asked for, after a preset's values were merged in at the door.

    Unknown keys are an error, never dropped. Names and ranges follow FramePack and FramePack-Studio.
    The start image travels beside it, as bytes; ``image_sha256`` names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]
    n_prompt: Annotated[str, Field(max_length=MAX_PROMPT)] = ""
    name: Annotated[str, Field(max_length=120)] = ""
    image_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    model_type: str = "puppet"
    preset: str = "Default"
    total_second_length: Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)] = 5.0
    exact_length: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 31337
    order: str = "bisect"
    steps: Annotated[int, Field(ge=1, le=100)] = 25
    gs: Annotated[float, Field(ge=1, le=32, allow_inf_nan=False)] = 10.0
    cfg: Annotated[float, Field(ge=1, le=32, allow_inf_nan=False)] = 1.0
    rs: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    shift: Annotated[float | None, Field(gt=0, le=100, allow_inf_nan=False)] = None
    sampler: Literal["unipc", "euler"] = "unipc"
    cache: Literal["none", "tea"] = "none"
    teacache_rel_l1_thresh: Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False)] = 0.15
    exporter: str = "mp4"
    mp4_crf: Annotated[int, Field(ge=0, le=51)] = 16
    owner: Annotated[str, Field(max_length=80)] = "local"
    priority: Annotated[int, Field(ge=0, le=100)] = 50


def slug(text: str, limit: int = 40) -> str:
    """File-name-safe form of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit] or "video"
