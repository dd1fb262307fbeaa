"""What the head tells a machine that joins, and the file from which the head's API knows it."""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from farm.cluster.looking import processor
from farm.files import written_aside
from farm.settings import Settings

from .versions import Versions

SECTION = "section-"


@dataclass(frozen=True)
class Cluster:
    """The Ray that a farm runs on, open to other machines. ``address``: of its head; ``first_port``: see ``Ports``;
    ``session``: a name that no other start of it has."""

    address: str
    first_port: int
    session: str


@dataclass(frozen=True)
class Card:
    """``cluster``: None while nobody can join; ``ray_token``: the secret of its processes; ``artifacts_url``: of a
    store that every machine reaches by itself, empty when they come from the head; ``section``: see
    ``section.Calibration``, empty until it is known; ``clock``: its seconds since 1970."""

    versions: Versions
    cluster: Cluster | None
    ray_token: str
    artifacts_url: str
    section: str
    clock: float

    @classmethod
    def of_head(cls, settings: Settings, ray_token: str) -> "Card":
        """This machine's, as the head of its farm."""
        shared = "" if settings.artifacts_url.startswith("file:") else settings.artifacts_url
        return cls(Versions.here(), read_cluster(settings), ray_token, shared, _section(settings), time.time())

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Card":
        """Raises KeyError or TypeError for what is no card."""
        cluster = values["cluster"]
        return cls(
            Versions(**values["versions"]),
            Cluster(**cluster) if cluster else None,
            str(values["ray_token"]),
            str(values["artifacts_url"]),
            str(values["section"]),
            float(values["clock"]),
        )


def cluster_path(settings: Settings) -> Path:
    return settings.run_dir / "cluster.json"


def section_path(settings: Settings) -> Path:
    """Where the head keeps the digest of its section: other code or another processor has another one."""
    made_by = json.dumps([asdict(Versions.here()), processor()])
    return settings.run_dir / f"{SECTION}{hashlib.sha256(made_by.encode()).hexdigest()[:16]}"


def _section(settings: Settings) -> str:
    with suppress(OSError):
        return section_path(settings).read_text().strip()
    return ""


def write_cluster(settings: Settings, cluster: Cluster) -> None:
    """From now on machines may join this one."""
    with written_aside(cluster_path(settings)) as aside:
        aside.write_text(json.dumps(asdict(cluster)))


def forget_cluster(settings: Settings) -> None:
    """Nobody can join any more."""
    with suppress(OSError):
        cluster_path(settings).unlink(missing_ok=True)


def read_cluster(settings: Settings) -> Cluster | None:
    """The one that machines may join now."""
    try:
        return Cluster(**json.loads(cluster_path(settings).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
