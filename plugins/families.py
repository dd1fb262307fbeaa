"""Model families that plug-ins bring."""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from farm.errors import PluginError
from model.facts import add_family, family_names, is_own

from .places import place_of
from .sources import Source

__all__ = ["Family", "check_family", "ensure_family", "is_own", "make_known"]

NEEDED = ("title", "layout", "orders", "default_order", "fps", "max_seconds", "buckets", "latent_channels", "parts")
"""What the facts of a family say at least."""


@dataclass(frozen=True)
class Family:
    """A model family.

    Attributes:
        facts: a TOML file such as model/families/framepack/framepack.toml; its name is that of the family.
        renderer: imports and gives the class of the renderer (``model.family.Renderer``), which is made as
            ``model.renderer.CheckpointRenderer``. It is called where sections are rendered, and nowhere else.
    """

    facts: Path
    renderer: Callable[[], Any]

    @property
    def name(self) -> str:
        """What users pick."""
        return self.facts.stem


def check_family(family: Any) -> None:
    """PluginError when it is no family, or its facts can't be used."""
    if not isinstance(family, Family):
        raise PluginError(f"farm_families gave {family!r}; expected plugins.families.Family.", place_of(family))
    try:
        facts = tomllib.loads(family.facts.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(f"the facts {family.facts} of a family can't be read ({error}).") from None
    missing = [] if "like" in facts else [name for name in NEEDED if name not in facts]
    missing += [f"parts.{part}.kind" for part, said in facts.get("parts", {}).items() if "kind" not in said]
    if missing and "like" not in facts:
        raise PluginError(f"the facts {family.facts} of a family lack {', '.join(missing)}.")


def make_known(source: Source, families: Iterable[tuple[str, str]]) -> None:
    """Have this process know the families (name, file of facts) of a plug-in; its code is imported when one is
    rendered."""
    for name, facts in families:
        add_family(Path(facts), partial(_renderer_of, source, name))


def ensure_family(name: str, settings: Any = None) -> None:
    """Look among the plug-ins of this home for a family that this process does not know."""
    if name not in family_names():
        from .manager import get_manager

        get_manager(settings)


def _renderer_of(source: Source, name: str) -> Any:
    from .loading import load

    return load(source.module(), source.name).families[name].renderer()
