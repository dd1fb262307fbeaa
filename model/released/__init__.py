"""The released FramePack checkpoints as data: one TOML file per family with what its weights don't tell."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


@cache
def released_facts(name: str) -> dict[str, Any]:
    """Facts of the family ``name``, with those of the family that it is like; not to be changed."""
    facts = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    like = facts.pop("like", None)
    if like is None:
        return {"name": name, **facts}
    base = released_facts(like)
    return {**base, **facts, "name": name, "parts": {**base["parts"], **facts.get("parts", {})}}
