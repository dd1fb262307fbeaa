"""What must be equal on all machines of a farm: the code and what it runs on."""

import hashlib
import platform
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("farm", "plugins", "model")


@dataclass(frozen=True)
class Versions:
    """``code``: digest of the program's own source."""

    farm: str
    code: str
    python: str
    ray: str
    torch: str
    diffusers: str

    @classmethod
    def here(cls) -> "Versions":
        """Of this installation."""
        python = ".".join(platform.python_version_tuple()[:2])
        return cls(_version("framepack-farm"), code_digest(), python, *map(_version, ("ray", "torch", "diffusers")))

    def differences(self, other: "Versions") -> dict[str, tuple[str, str]]:
        """What is not the same there: here and there."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


@cache
def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]  # builds for a CPU and for CUDA are one version
    except PackageNotFoundError:
        return "none"


@cache
def code_digest() -> str:
    """Of every source file, by name and content."""
    digest = hashlib.sha256()
    for folder in CODE:
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(ROOT).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
