"""Recipes of ``farm train puppet``: TOML files that say what is learnt, for how long, and from what."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farm.errors import InputError
from farm.texts import read_toml

from .train_codec import HELD_OUT

DEFAULT_CONFIG = Path(__file__).with_name("train.toml")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodecRecipe(_Strict):
    """``decoder_steps`` are of the decoder alone, at the end, which is first deepened to ``decoder_blocks``;
    ``jitter``: largest noise on the latents that it learns from; ``edges``: weight of errors in how pictures change
    where blocks meet."""

    steps: int = Field(ge=0)
    decoder_steps: int = Field(ge=0)
    decoder_blocks: int = Field(default=0, ge=0)
    batch: int = Field(gt=0)
    rate: float = Field(gt=0)
    pool: int = Field(gt=0)
    held_out: int = Field(default=HELD_OUT, gt=0)
    jitter: float = Field(default=0, ge=0)
    edges: float = Field(default=0, ge=0)


class DetailsRecipe(_Strict):
    """What draws pictures twice as high and wide learns from a pool of ``sections``, of which the oldest eight make
    room for new ones every ``renewed`` steps; ``edges``: as of the codec;
    ``crisp``: weight of errors in how crisp pictures are, wherever their edges lie.

    A recipe without it leaves it as it was, unless the codec learns: then it is gone, and must be learnt anew.
    """

    steps: int = Field(gt=0)
    blocks: int = Field(default=3, gt=0)
    sections: int = Field(gt=0)
    renewed: int = Field(default=10, gt=0)
    batch: int = Field(gt=0)
    rate: float = Field(gt=0)
    edges: float = Field(default=0, ge=0)
    crisp: float = Field(default=0, ge=0)


class TransformerRecipe(_Strict):
    steps: int = Field(ge=0)
    batch: int = Field(gt=0)
    rate: float = Field(gt=0)
    warmup: int = Field(ge=0)
    first_clips: int = Field(gt=0)
    clips: int = Field(gt=0)
    prompt_dropout: float = Field(ge=0, le=1)
    context_noise: float = Field(ge=0, le=1)
    anchored: float = Field(default=0, ge=0, le=1)  # share of sections with an end image or a keyframe
    kept: float = Field(default=0, ge=0, le=1)  # share of the first weights in the finished ones (arXiv 2109.01903)
    sample_every: int = Field(gt=0)
    save_every: int = Field(gt=0)
    compile: bool = False


class Recipe(_Strict):
    """A training config file, validated."""

    seed: int
    resolution: Literal[64, 128] = 64  # 128: what a training starts from grows, if it is smaller
    plain: float | None = Field(default=None, ge=0, le=1)  # share of puppets on plain ground; by default all are
    codec: CodecRecipe
    transformer: TransformerRecipe
    details: DetailsRecipe | None = None

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Read a TOML file.

        Raises:
            InputError: names the file, the key and what was expected.
        """
        try:
            return cls.model_validate(read_toml(path, str(path)))
        except FileNotFoundError:
            raise InputError(f"{path}: no such training config; copy {DEFAULT_CONFIG} and change it.") from None
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
