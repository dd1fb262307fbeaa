"""Where a part comes from, and what the user's ``models.toml`` says about it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from farm.errors import InputError, unknown_name
from farm.texts import read_toml

from .checkpoint import PARTS, SCHEDULER_CONFIG, WITH_WEIGHTS
from .settings import ModelSettings

SINGLE = (".safetensors", ".gguf")
"""How a single file with a part's weights ends."""
DTYPES = ("fp32", "bf16", "fp16", "fp8")

_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)((?:/[\w.-]+)*)(?:@([\w./-]+))?")
_WEIGHTS = {
    library: ("config.json", f"{stem}.safetensors", f"{stem}-*.safetensors", f"{stem}.safetensors.index.json")
    for library, stem in (("diffusers", "diffusion_pytorch_model"), ("transformers", "model"))
}
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "spiece.model",
)  # fmt: skip
_FILES = {
    "transformer": _WEIGHTS["diffusers"],
    "vae": _WEIGHTS["diffusers"],
    "text_encoder": _WEIGHTS["transformers"],
    "text_encoder_2": _WEIGHTS["transformers"],
    "image_encoder": _WEIGHTS["transformers"],
    "tokenizer": _TOKENIZER,
    "tokenizer_2": _TOKENIZER,
    "feature_extractor": ("preprocessor_config.json",),
    "scheduler": (SCHEDULER_CONFIG,),
}


@dataclass(frozen=True)
class Source:
    """A local ``path``, or ``folder`` (of a ``repository`` at a ``revision``; a single file when it ends so)."""

    path: Path | None = None
    repository: str = ""
    folder: str = ""
    revision: str = "main"

    @property
    def is_file(self) -> bool:
        return self.folder.endswith(SINGLE)

    def patterns(self, part: str) -> tuple[str, ...]:
        """What to download of the repository, and nothing else of it."""
        if self.is_file:
            return (self.folder,)
        return tuple(f"{self.folder}/{name}".lstrip("/") for name in _FILES[part])

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{self.repository}/{self.folder}".rstrip("/") + revision


def parse_source(text: str) -> Source:
    """Read ``/local/folder``, ``~/file.safetensors``, ``owner/repository``, ``owner/repository/folder@revision``.

    Raises:
        InputError: it is none of these.
    """
    if text.startswith(("/", "~", "./", "../")):
        return Source(path=Path(text).expanduser().absolute())
    match = _REPOSITORY.fullmatch(text)
    if not match:
        raise InputError(
            f"{text!r} is no source of a model; expected an absolute path, or owner/repository with a folder and a "
            "@revision if need be, such as lllyasviel/FramePackI2V_HY@main."
        )
    return Source(repository=match[1], folder=match[2].strip("/"), revision=match[3] or "main")


@dataclass(frozen=True)
class FamilyConfiguration:
    """What the user set for one family: a ``folder`` that holds parts, sources and dtypes by part."""

    folder: Path | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)


def configuration(family: str, families: tuple[str, ...], settings: ModelSettings) -> FamilyConfiguration:
    """What ``models.toml`` and the variable ``FARM_<FAMILY>_PATH`` (a folder; it wins) say about ``family``.

    Raises:
        InputError: the file or a value in it can't be used; names file, key and what was expected.
    """
    file = settings.configuration_file
    try:
        stat = file.stat()
        read = _read(file, stat.st_mtime_ns, stat.st_size, families)
    except FileNotFoundError:
        read = {}
    found = read.get(family, FamilyConfiguration())
    folder = settings.folder(family)
    return FamilyConfiguration(folder, {}, found.dtypes) if folder else found


@lru_cache(maxsize=4)
def _read(file: Path, changed: int, size: int, families: tuple[str, ...]) -> dict[str, FamilyConfiguration]:
    tables = read_toml(file, str(file))
    try:
        for name in tables:
            if name not in families:
                raise unknown_name("model family", name, list(families))
        return {name: _family(name, table) for name, table in tables.items()}
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _family(name: str, table: Any) -> FamilyConfiguration:
    if not isinstance(table, dict):
        raise InputError(f"{name} is {table!r}; expected a table, [{name}].")
    folder, sources, dtypes = None, {}, {}
    for key, value in table.items():
        if key == "dtypes" and isinstance(value, dict):
            dtypes = {part: _dtype(name, part, dtype) for part, dtype in value.items()}
        elif not isinstance(value, str):
            raise InputError(f"{name}.{key} is {value!r}; expected a text.")
        elif key == "folder":
            folder = Path(value).expanduser().absolute()
        elif key in PARTS:
            sources[key] = parse_source(value)
        else:
            raise unknown_name(f"key of [{name}]", key, ["folder", "dtypes", *PARTS])
    return FamilyConfiguration(folder, sources, dtypes)


def _dtype(name: str, part: str, dtype: Any) -> str:
    if part not in WITH_WEIGHTS:
        raise unknown_name(f"part in [{name}.dtypes]", part, list(WITH_WEIGHTS))
    if dtype not in DTYPES or (dtype == "fp8" and part != "transformer"):
        allowed = DTYPES if part == "transformer" else DTYPES[:-1]
        raise InputError(f"{name}.dtypes.{part} is {dtype!r}; expected one of {', '.join(allowed)}.")
    return str(dtype)
