"""What a node must have on its disk for a task: weights, LoRAs and plug-ins, each by its content. And what nodes say
that they have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from .records import TaskKind


class AssetKind(StrEnum):
    MODEL = "model"
    """All weights of a family."""
    LORA = "lora"
    EXPORTER = "exporter"
    """The plug-in that writes videos of a kind; the built-in ones are part of the program and no assets."""
    POST = "post"
    """The plug-in that has a post-processor, with its weights."""
    CACHE = "cache"
    """The plug-in that has a step cache."""


PUSHED = (AssetKind.MODEL, AssetKind.LORA)
"""What one machine gives to another; plug-ins follow the head by themselves."""


class PushState(StrEnum):
    """How far an asset is that a node is to fetch."""

    WANTED = "wanted"
    COMING = "coming"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Asset(NamedTuple):
    """``name``: of the family, the LoRA or the exporter; ``digest``: of its content, as tasks' keys have it, or the
    package and version of a plug-in that is one."""

    kind: AssetKind
    name: str
    digest: str


Assets = frozenset[Asset]


def model_asset(family: str, checkpoint_sha256: str) -> Asset:
    """The weights of a family."""
    return Asset(AssetKind.MODEL, family, checkpoint_sha256)


def lora_asset(name: str, sha256: str) -> Asset:
    """A LoRA; files are found whatever their case."""
    return Asset(AssetKind.LORA, name.casefold(), sha256)


def exporter_asset(name: str, content: str) -> Asset:
    """What has an exporter; see ``plugins.sources.Source.content``."""
    return Asset(AssetKind.EXPORTER, name, content)


def post_asset(name: str, content: str) -> Asset:
    """What has a post-processor; see ``plugins.post.weights.content_of``."""
    return Asset(AssetKind.POST, name, content)


def cache_asset(name: str, content: str) -> Asset:
    """What has a step cache, as ``exporter_asset``."""
    return Asset(AssetKind.CACHE, name, content)


NOTHING: Assets = frozenset()
USED = {
    TaskKind.ENCODE: frozenset({AssetKind.MODEL}),
    TaskKind.SECTION: frozenset({AssetKind.MODEL, AssetKind.LORA, AssetKind.CACHE}),
    TaskKind.DECODE: frozenset({AssetKind.MODEL}),
    TaskKind.EXPORT: frozenset({AssetKind.EXPORTER, AssetKind.POST}),
}


def assets_of(values: Iterable[Sequence[str]]) -> Assets:
    """From JSON; what another version wrote and this one does not know is left out."""
    known = set(AssetKind)
    return frozenset(Asset(AssetKind(kind), name, digest) for kind, name, digest in values if kind in known)


def assets_to_json(assets: Assets) -> list[list[str]]:
    """In an order that does not change."""
    return [list(asset) for asset in sorted(assets)]


@lru_cache(maxsize=4096)
def used_by(kind: TaskKind, assets: Assets) -> Assets:
    """Those of a job's ``assets`` that its tasks of a kind need."""
    return frozenset(asset for asset in assets if asset.kind in USED[kind])


@dataclass(frozen=True)
class NodeReport:
    """What a node says of itself. ``assets``: that it has, None when nobody knows; ``faults``: families that it can't
    use, and why; ``host_memory``: bytes of the machine; ``speed``: units a second of a core, as a short render measured
    it before any work was; 0 when unknown."""

    assets: Assets | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    host_memory: int = 0
    speed: float = 0.0

    def to_json(self) -> dict[str, Any]:
        assets = None if self.assets is None else assets_to_json(self.assets)
        return {**vars(self), "assets": assets, "faults": dict(self.faults)}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "NodeReport":
        """What is missing is unknown."""
        given = {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        assets = given.get("assets")
        return cls(**{**given, "assets": None if assets is None else assets_of(assets)})


NO_REPORT = NodeReport()
