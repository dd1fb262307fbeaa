"""What the owner of a machine chose for the models on it: where their files are, and how they run. No torch.

``farm.settings`` reads it where a process or a command begins; whatever opens a model gets it as an argument.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from farm.errors import InputError
from farm.home import farm_home

from .kernels import Kernels

LORA_DIRS = "FARM_LORA_DIRS"


@dataclass(frozen=True)
class ModelSettings:
    """See the module.

    Attributes:
        home: ``FARM_HOME``: with ``models.toml``, LoRAs, and what other machines of the farm gave to this one.
        folders: by the name of the variable (``path_variable``), the folder with a family's parts.
        more_loras: ``FARM_LORA_DIRS``, folders with LoRAs beside the one in the home.
        kernels: which a transformer computes with.
    """

    home: Path
    folders: Mapping[str, Path] = field(default_factory=dict, hash=False)
    more_loras: tuple[Path, ...] = ()
    kernels: Kernels = field(default_factory=Kernels)

    @classmethod
    def of(cls, values: Mapping[str, str], home: Path | None = None) -> "ModelSettings":
        """Read the variables named above from ``values``; an empty one counts as unset.

        Args:
            values: an environment.
            home: in place of the one that ``values`` names.

        Raises:
            InputError: a value can't be used.
        """
        named = {name: value.strip() for name, value in values.items() if name.startswith("FARM_")}
        folders = {name: Path(value).expanduser() for name, value in named.items() if name.endswith("_PATH") and value}
        return cls(home or farm_home(values), folders, _folders(named.get(LORA_DIRS, "")), Kernels.of(values))

    def folder(self, family: str) -> Path | None:
        """The folder that was set for a family's parts."""
        return self.folders.get(path_variable(family))

    @property
    def configuration_file(self) -> Path:
        """``models.toml``, in which people name sources of parts."""
        return self.home / "models.toml"

    @property
    def digests_file(self) -> Path:
        """What is known of large files, so that none is read twice for its digest; see ``model.weights``."""
        return self.home / "cache" / "sha256.json"

    @property
    def loras_folder(self) -> Path:
        """Where LoRA files lie that people put into the home, and those that another machine gave to this one."""
        return self.home / "loras"

    @property
    def lora_folders(self) -> tuple[Path, ...]:
        """Every folder with LoRA files; of two files with one name, the one in the earlier folder is meant."""
        return (self.loras_folder, *self.more_loras)

    def brought_folder(self, family: str) -> Path:
        """Where parts lie that another machine of the farm gave to this one; see ``model.brought``."""
        return self.home / "models" / family


def path_variable(family: str) -> str:
    """The environment variable that names a folder with the family's parts: ``FARM_FRAMEPACK_F1_PATH``."""
    return f"FARM_{family.upper().replace('-', '_')}_PATH"


def _folders(text: str) -> tuple[Path, ...]:
    """Folders with ``:`` between, as in ``PATH``."""
    found = tuple(Path(name.strip()).expanduser() for name in text.split(os.pathsep) if name.strip())
    for folder in found:
        if not folder.is_absolute():
            raise InputError(f"{LORA_DIRS} has {str(folder)!r}; expected absolute folders with {os.pathsep!r} between.")
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{LORA_DIRS} has {str(folder)!r}, which is a file; name its folder.")
    return found
