"""What there is, as the API shows it: orders, exporters, plug-ins, models."""

from typing import Any, Self

from pydantic import BaseModel

from model.family import FamilyInfo

from .schemas import View


class OrderView(BaseModel):
    """``trained_for``: the model families that were trained for this order; others run it as an experiment."""

    name: str
    summary: str
    trained_for: list[str]


class CacheView(BaseModel):
    """A step cache, and what it does."""

    name: str
    summary: str


class CacheList(BaseModel):
    caches: list[CacheView]


class OrderList(BaseModel):
    orders: list[OrderView]


class OptionView(View):
    """An option of an exporter or post-processor as a form shows it: the ``kind`` of its value, its range, or all its
    ``choices``, of which some may be ``disabled`` on the head, with the reason. A ``default`` of null is found by the
    exporter."""

    name: str
    kind: str
    default: bool | int | float | str | None
    minimum: float | None
    maximum: float | None
    longest: int | None
    choices: tuple[str, ...]
    disabled: dict[str, str]
    description: str


class PostProcessorView(View):
    """What frames pass on their way to a file. ``unusable``: why it can't be used on the head; empty when it can."""

    name: str
    title: str
    unusable: str
    options: tuple[OptionView, ...]


class ExporterView(View):
    """An output format. ``unavailable``: why it can't be used on the head; empty when it can."""

    name: str
    extension: str
    media_type: str
    title: str
    carries_sound: bool
    unavailable: str
    options: tuple[OptionView, ...]


class ExporterList(BaseModel):
    """Also what frames can pass before, see the field ``post``."""

    exporters: list[ExporterView]
    post_processors: list[PostProcessorView]


class PluginView(View):
    """A plug-in, and what it ``offers``; or the ``reason`` why it is disabled, and ``where`` in its code that is."""

    name: str
    source: str
    version: str
    enabled: bool
    reason: str
    where: str
    offers: tuple[str, ...]


class PluginList(BaseModel):
    plugins: list[PluginView]


class ModelView(BaseModel):
    """A model family; when its checkpoint can't be used, ``error`` says why and the rest is empty. ``defaults``: of a
    request's fields, before those of built-in presets; ``without``: fields that mean nothing to it."""

    name: str
    title: str = ""
    error: str = ""
    layout: str = ""
    window: int = 0
    orders: tuple[str, ...] = ()
    default_order: str = ""
    fps: int = 0
    max_seconds: float = 0
    buckets: tuple[tuple[int, int], ...] = ()
    resolution: int = 0
    resolutions: tuple[int, ...] = ()
    tiles: bool = False
    checkpoint_sha256: str = ""
    text_to_video: bool = False
    drawn: bool = False
    defaults: dict[str, Any] = {}
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: FamilyInfo) -> Self:
        return cls(
            name=info.name,
            title=info.title,
            layout=str(info.layout),
            window=info.window,
            orders=info.orders,
            default_order=info.default_order,
            fps=info.fps,
            max_seconds=info.max_seconds,
            buckets=info.buckets,
            resolution=info.resolution,
            resolutions=info.resolutions,
            tiles=info.decoding.tile_above > 0,
            checkpoint_sha256=info.checkpoint_sha256,
            text_to_video=info.text_to_video,
            drawn=info.drawn,
            defaults=dict(info.defaults),
            without=info.without,
        )


class ModelList(BaseModel):
    models: list[ModelView]
