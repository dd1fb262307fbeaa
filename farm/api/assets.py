"""What the head has that nodes may fetch: weights and LoRAs, as lists of files and by their hashes. It reads models."""

import threading
from pathlib import Path

from farm.cluster.looking import look_around
from farm.errors import NotFoundError, unknown_name
from farm.jobs.assets import PUSHED, Asset, Assets
from farm.joining.giving import pieces_of
from farm.settings import Settings
from model.brought import BroughtFile, Given
from model.weights import known_sha256


class Shelf:
    """See the module. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._paths: dict[str, Path] = {}

    def assets(self) -> Assets:
        """All that this machine has, plug-ins too."""
        return look_around(self._settings).assets or frozenset()

    def find(self, name: str) -> Asset:
        """The family or LoRA of that name; NotFoundError suggests another."""
        known = {asset.name: asset for asset in sorted(self.assets()) if asset.kind in PUSHED}
        found = known.get(name) or known.get(name.casefold())
        if found is None:
            raise NotFoundError(
                f"{unknown_name('model family or LoRA', name, sorted(known))} It must be on the head or a node."
            )
        return found

    def given(self, asset: Asset) -> list[Given]:
        """The pieces of one of them, as they are now.

        Raises:
            NotFoundError: it is not here, or by now another.
        """
        if asset not in self.assets():
            raise NotFoundError(f"the head does not have that {asset.kind} {asset.name} any more.")
        given = pieces_of(asset, self._settings.model)
        with self._lock:
            self._paths |= {
                file.sha256: path for one in given for file, path in zip(one.piece.files, one.paths, strict=True)
            }
        return given

    def followed(self) -> list[BroughtFile]:
        """The files of the head's own plug-ins and presets, which nodes follow."""
        home, found = self._settings.home, list[BroughtFile]()
        for root in (self._settings.plugins_dir, self._settings.presets_dir):
            for path in sorted(root.rglob("*")):
                name = path.relative_to(home)
                if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
                    file = BroughtFile(name.as_posix(), path.stat().st_size, known_sha256(path, self._settings.model))
                    found.append(file)
                    with self._lock:
                        self._paths[file.sha256] = path
        return found

    def path(self, sha256: str) -> Path:
        """The file with that hash; NotFoundError for one that no node was told of."""
        with self._lock:
            found = self._paths.get(sha256)
        if found is None:  # another process told of it
            self.followed()
            for asset in self.assets():
                if asset.kind in PUSHED:
                    self.given(asset)
            with self._lock:
                found = self._paths.get(sha256)
        if found is None or not found.is_file():
            raise NotFoundError(f"the head has no file {sha256[:12]} to give.")
        return found
