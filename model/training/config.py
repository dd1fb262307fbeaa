"""What a training is told: a TOML file, validated, with the line to correct where it is wrong. No torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from farm.errors import InputError, unknown_name
from farm.texts import read_toml
from model.plan.make import MAX_PLAN_SECONDS

TARGETS = {
    "attention": r"attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)",
    "feed-forward": r"(ff|ff_context)\.net\.(0\.proj|2)|proj_mlp|proj_out",
    "modulation": r"(norm|norm1|norm1_context)\.linear",
}
"""Layers of a block that a LoRA may change, by the pattern of their names in it."""

NAME = r"[\w][\w .+-]{0,79}"
"""Of a LoRA: it is a file's name too."""


def _beside(path: Path, info: ValidationInfo) -> Path:
    """``path`` as seen from the folder of the config file."""
    return ((info.context or {}).get("folder", Path()) / path.expanduser()).absolute()


Beside = Annotated[Path, AfterValidator(_beside)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Strict):
    """One source of clips: a ``folder`` of videos and pictures, or one ``file``.

    A file's caption is that of ``captions`` (by its name), else the text in a file of its name that ends in ``.txt``,
    else ``caption``. ``repeats``: how often each is shown in an epoch. ``sections``: the longest clip, in sections; a
    longer video is cut into several, one after the other. ``resolution``: size class of the buckets; None: the
    family's own.
    """

    folder: Beside | None = None
    file: Beside | None = None
    caption: str | None = None
    captions: dict[str, str] = Field(default_factory=dict)
    repeats: int = Field(default=1, ge=1, le=1000)
    sections: int = Field(default=4, ge=1, le=16)
    resolution: int | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "Data":
        if (self.folder is None) == (self.file is None):
            raise ValueError("name a folder or a file, and not both")
        return self


class LoraShape(_Strict):
    """``rank`` of each change; ``alpha`` / rank scales it, 1 if it is not given. ``targets``: keys of ``TARGETS``."""

    rank: int = Field(default=16, ge=1, le=512)
    alpha: float | None = Field(default=None, gt=0)
    targets: tuple[str, ...] = ("attention", "feed-forward")

    @model_validator(mode="after")
    def _known(self) -> "LoraShape":
        for name in self.targets:
            if name not in TARGETS:
                raise ValueError(str(unknown_name("target", name, list(TARGETS))).rstrip("."))
        if not self.targets:
            raise ValueError(f"name at least one of the targets {', '.join(TARGETS)}")
        return self

    @property
    def scale(self) -> float:
        return (self.alpha or self.rank) / self.rank


class Learning(_Strict):
    """How it learns.

    ``steps`` updates, each from ``batch`` sections, one after the other. ``rate`` is reached after ``warmup`` steps and
    kept, or falls to 2% along a cosine. ``clip``: largest norm of the gradients. ``noise``: how noise levels are drawn
    before the model's own shift. ``guidance``: the distilled guidance that the model is told. ``forgets``: share of
    sections shown without their caption. ``checkpointing`` works activations out again in place of keeping them.
    ``memory``: a memory plan, see ``model.training.memory``. ``save_every`` and ``sample_every`` (0: never)
    count steps.
    """

    steps: int = Field(default=1000, ge=1)
    batch: int = Field(default=1, ge=1, le=1024)
    rate: float = Field(default=1e-4, gt=0, le=1)
    warmup: int = Field(default=50, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)
    noise: Literal["uniform", "logit-normal"] = "uniform"
    guidance: float = Field(default=10.0, ge=0, le=32)
    forgets: float = Field(default=0.0, ge=0, le=1)
    checkpointing: bool = True
    memory: str = "auto"
    save_every: int = Field(default=100, ge=1)
    sample_every: int = Field(default=250, ge=0)


class Sample(_Strict):
    """A video to be rendered while it learns, each time from the same seed."""

    image: Beside
    prompt: str
    seconds: float = Field(default=1.2, gt=0, le=MAX_PLAN_SECONDS)
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=25, ge=1, le=100)
    gs: float = Field(default=10.0, ge=0, le=32)


class Recipe(_Strict):
    """A config file. ``name`` is that of the file that it makes; ``triggers`` are words that call up what it learnt."""

    family: str
    name: str = Field(pattern=f"^{NAME}$")
    title: str = ""
    triggers: tuple[str, ...] = ()
    seed: int = Field(default=0, ge=0)
    data: tuple[Data, ...] = Field(min_length=1)
    lora: LoraShape = LoraShape()
    learning: Learning = Learning()
    samples: tuple[Sample, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Read a TOML file; paths in it are seen from its folder.

        Raises:
            InputError: names the file, the key and what was expected.
        """
        try:
            return cls.model_validate(read_toml(path, str(path)), context={"folder": path.absolute().parent})
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; docs/training.md shows what to write into one.") from None
        except ValidationError as error:
            raise InputError(f"{path}: {explain(error, cls)}") from None


class PackRecipe(Recipe):
    """Of ``farm train pack``. ``layout``: in the paper's spelling; None: the family's. ``order``: in which sections are
    rendered; None: the one that the layout is made for. ``base``: the folder of a transformer as diffusers saves it,
    such as HunyuanVideo's; None: the family's own."""

    layout: str | None = None
    order: str | None = None
    base: Beside | None = None


def explain(error: ValidationError, kind: type[BaseModel]) -> str:
    """The first fault of a config, with the key and, for an unknown one, the nearest that there is."""
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")  # it may be why another is missing
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        table, key = ".".join(str(part) for part in first["loc"][:-1]), str(first["loc"][-1])
        known = list(_model_at(kind, first["loc"][:-1]).model_fields)
        return str(unknown_name(f"key in {table}" if table else "key", key, known))
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {said[:1].lower()}{said[1:]}." if where else f"{said}."


def _model_at(kind: type[BaseModel], place: Iterable[Any]) -> type[BaseModel]:
    """The model of the table at ``place`` in a config of ``kind``."""
    for key in place:
        if isinstance(key, str):
            annotation = kind.model_fields[key].annotation
            inside = (annotation, *get_args(annotation))
            kind = next(each for each in inside if isinstance(each, type) and issubclass(each, BaseModel))
    return kind
