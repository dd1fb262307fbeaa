"""The parts of a released family on this machine: where each is, and whether they belong together."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import CheckpointError

from . import hub
from .checkpoint import FAMILY, PARTS, SCHEDULER_CONFIG, Checkpoint, Part, open_part, weights_sha256
from .facts import facts_file, family_facts, family_names
from .plan.layout import Layout
from .settings import ModelSettings, path_variable
from .sources import SINGLE, FamilyConfiguration, Source, configuration, parse_source
from .weights import known_sha256, read_json, weight_files

FILE = ".file"
"""How the name of a folder ends in which a part lies that is a single file."""


@dataclass(frozen=True)
class Located:
    """A part as it is configured. ``path`` None: not on this machine. ``origin``: the source, with its commit if known.

    ``bytes`` (about) and ``licence`` are those of the default source; None and empty for another.
    """

    name: str
    source: Source
    path: Path | None
    origin: str
    bytes: int | None
    licence: str

    @property
    def size(self) -> int | None:
        """Bytes on this machine, else those expected."""
        if self.path is None:
            return self.bytes
        files = [self.path] if self.path.is_file() else [file for file in self.path.iterdir() if file.is_file()]
        return sum(file.stat().st_size for file in files)


def locate(family: str, settings: ModelSettings) -> dict[str, Located]:
    """Where each part of the released ``family`` comes from and lies. Reads no weights and no network.

    Raises:
        InputError: ``models.toml`` can't be used.
        CheckpointError: the folder that was set for the family is missing or holds no part of it.
    """
    configured = configuration(family, family_names(), settings)
    defaults = family_facts(family)["parts"]
    names = [name for name in PARTS if name in defaults]
    found = {}
    for name in names:
        default = defaults[name]
        set_here = _in_folder(configured.folder, name) or configured.sources.get(name)
        source = set_here or _in_folder(settings.brought_folder(family), name) or parse_source(default["source"])
        is_default = source == parse_source(default["source"])
        path, origin = source.path, str(source)
        if path is None and (cached := hub.cached(source)):
            path, origin = cached[0], f"{source}".partition("@")[0] + f"@{cached[1]}"
        elif path is not None and not path.exists():
            path = None
        expected = int(default["bytes"]) if is_default else None
        found[name] = Located(name, source, path, origin, expected, default["licence"] if is_default else "")
    if configured.folder and not any(_in_folder(configured.folder, name) for name in names):
        raise CheckpointError(
            f"no model checkpoint at {configured.folder}: it has none of the folders {', '.join(names)}; correct "
            f"{path_variable(family)} or {settings.configuration_file}."
        )
    return found


def open_released(family: str, settings: ModelSettings) -> Checkpoint:
    """Verify the parts of the released ``family``; files are read whole only to learn a digest for the first time.

    Raises:
        CheckpointError: parts are missing, cut short, or not this family's; one line with the remedy.
        InputError: ``models.toml`` can't be used.
    """
    configured = configuration(family, family_names(), settings)
    located = locate(family, settings)
    _check_name(family, located["transformer"], settings)
    _check_present(family, located)
    remedy = f"`farm models pull {family}` gets it again, unless it is a copy of your own"
    said = family_facts(family)["parts"]
    parts = {
        name: open_part(name, part.path, (said[name]["kind"][0], said[name]["kind"][1]), part.origin, remedy, settings)
        for name, part in located.items()
        if part.path is not None
    }
    _check_bytes(family, located["transformer"], parts["transformer"], settings)
    if "scheduler" in parts:
        _check_scheduler(family, parts["scheduler"], remedy, settings)
    facts, file = _facts(family, configured, located["transformer"], settings)
    return Checkpoint(parts, facts, file, weights_sha256(parts.values()), configured.dtypes)


def _in_folder(folder: Path | None, name: str) -> Source | None:
    """The part in a folder of the family's, as a folder or (transformer.safetensors) a single file, which may also lie
    in a folder that is called so, under a name of its own."""
    if folder is None:
        return None
    single = [folder / f"{name}{end}" for end in SINGLE]
    brought = [file for end in SINGLE for file in (folder / f"{name}{FILE}").glob(f"*{end}")]
    for path in (folder / name, *single, *brought):
        if path.exists():
            return Source(path=path)
    return None


def _check_present(family: str, located: Mapping[str, Located]) -> None:
    missing = [part for part in located.values() if part.path is None]
    for part in missing:
        if part.source.path is not None:
            raise CheckpointError(f"{family}: {part.name} is set to {part.source.path}, which does not exist.")
    if missing:
        names = ", ".join(part.name for part in missing)
        size = sum(part.bytes or 0 for part in missing) / 1e9
        raise CheckpointError(
            f"{family} is not on this machine: {names} missing; `farm models pull {family}` downloads "
            f"{f'about {size:.1f} GB' if size else 'them'}."
        )


def _check_name(family: str, located: Located, settings: ModelSettings) -> None:
    """Refuse weights that are called as another family's: I2V and F1 differ in nothing that a file's content tells."""
    for name in _names(located):
        owners = [other for other in released_names() if re.search(family_facts(other)["named"], name, re.IGNORECASE)]
        if owners and family not in owners:
            raise CheckpointError(
                f"{family}: the transformer {located.origin} is called {name!r}, so it is {owners[0]}'s; "
                f"use --model {owners[0]}, or correct {settings.configuration_file}."
            )
        if owners:
            return


def _check_bytes(family: str, located: Located, transformer: Part, settings: ModelSettings) -> None:
    """Refuse weights with the digests of another family's, where the hub's cache has those."""
    for other in released_names():
        source = parse_source(family_facts(other)["parts"]["transformer"]["source"])
        cached = hub.cached(source) if other != family else None
        if cached and set(_cached_digests(cached[0], settings)) & set(transformer.digests.values()):
            raise CheckpointError(
                f"{family}: the transformer {located.origin} has the same bytes as {source}, which is {other}'s; "
                f"use --model {other}, or correct {settings.configuration_file}."
            )


def _check_scheduler(family: str, scheduler: Part, remedy: str, settings: ModelSettings) -> None:
    """Refuse weights with another family's way of sampling, which nothing in a transformer's files tells apart."""
    config = read_json(scheduler.path / SCHEDULER_CONFIG, remedy)
    found = [config.get("_class_name"), config.get("stages")]
    if found == family_facts(family)["scheduler"]:
        return
    owner = next((other for other in family_names() if family_facts(other).get("scheduler") == found), None)
    use = f"use --model {owner}" if owner else "use the family that they belong to"
    raise CheckpointError(
        f"{family}: {scheduler.path} is a {found[0]} with {found[1]} stages, so these weights are not {family}'s; "
        f"{use}, or correct {settings.configuration_file}."
    )


def released_names() -> list[str]:
    """Families whose transformer is known by what it is called."""
    return [name for name in family_names() if "named" in family_facts(name)]


def _names(located: Located) -> list[str]:
    """Names to judge a transformer by, the most telling first."""
    if located.source.path is None:
        return [located.source.folder.rpartition("/")[2], located.source.repository.rpartition("/")[2]]
    path = located.source.path
    return [path.stem if path.is_file() else path.name, *(parent.name for parent in list(path.parents)[:2])]


def _cached_digests(path: Path, settings: ModelSettings) -> list[str]:
    try:
        return [known_sha256(file, settings) for file in weight_files(path, "")]
    except (CheckpointError, OSError):
        return []


def _facts(
    family: str, configured: FamilyConfiguration, transformer: Located, settings: ModelSettings
) -> tuple[dict[str, Any], Path]:
    """The family's facts under those of a ``family.json`` beside the weights, which must agree on the layout."""
    facts, file = dict(family_facts(family)), facts_file(family)
    folders = [configured.folder or settings.brought_folder(family)]
    if transformer.path is not None and transformer.source.path is not None:
        folders += [transformer.path, transformer.path.parent]
    own = next((folder / FAMILY for folder in folders if (folder / FAMILY).is_file()), None)
    if own is None:
        return facts, file
    try:
        said = json.loads(own.read_bytes())
        layout = Layout.parse(said.get("layout", facts["layout"]))
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"checkpoint file {own} can't be read ({error}); correct it.") from error
    if layout != Layout.parse(facts["layout"]):
        raise CheckpointError(
            f"{family}: {own} says that these weights were trained with layout {layout}, where this family has "
            f"{facts['layout']}; use the family that they belong to."
        )
    return {**facts, **said, "name": family}, own
