"""Brings weights and LoRAs from the head to this machine, as the farm asks: checked, and taken up where it was cut.
What the head lacks goes the other way.

Files arrive in ``FARM_HOME/models/.coming``; a piece is moved to its place when all of it is there. Nothing that is
there already is overwritten.
"""

import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from farm.errors import CancelledError, FarmError, StorageError
from farm.jobs.assets import Asset, AssetKind, PushState
from farm.settings import Settings
from model.brought import BroughtFile, lacks

from .arrivals import coming_folder, sweep
from .following import follow
from .giving import give
from .head import Head, HeadGoneError
from .settling import ROOM, require_room, settle, still_to_come

ASK_SECONDS = 2.0
TELL_SECONDS = 0.5
TRIES = 3
"""How often a file is fetched that arrives damaged."""
PART = ".part"

log = logging.getLogger(__name__)


class Fetcher:
    """Asks the head every two seconds what this machine is to fetch, and fetches it, one at a time.

    Args:
        host: this machine's name in the farm.
    """

    def __init__(self, settings: Settings, head: Head, host: str) -> None:
        self._settings, self._head, self._host = settings, head, host
        self._ending = threading.Event()

    def start(self) -> None:
        """Do so beside the caller, until the process ends or ``stop``."""
        threading.Thread(target=self._run, name="fetcher", daemon=True).start()

    def stop(self) -> None:
        """What has arrived stays."""
        self._ending.set()

    def look(self) -> None:
        """Follow the head's plug-ins, and fetch what is wanted now.

        Raises:
            HeadGoneError: the head does not answer.
        """
        self._follow()
        orders = self._head.orders(self._host)
        sweep(self._settings, orders.fetch)
        for asset in orders.fetch:
            self._try(self._host, asset, self._fetch)
        for asset in orders.give:
            self._try(orders.head, asset, partial(self._give, orders.head))

    def _try(self, host: str, asset: Asset, work: Callable[[Asset], None]) -> None:
        """Do it; the head is told of what goes wrong, as of what ``host`` should have got."""
        try:
            work(asset)
        except HeadGoneError:
            raise
        except CancelledError as error:
            log.info("%s", error)
        except (FarmError, OSError) as error:
            log.warning("%s %s: %s", asset.kind, asset.name, error)
            self._head.told(host, asset, PushState.FAILED, message=str(error))

    def _follow(self) -> None:
        try:
            follow(self._settings, self._head)
        except HeadGoneError:
            raise
        except (FarmError, OSError) as error:
            log.warning("the head's plug-ins can't be followed: %s", error)

    def _run(self) -> None:
        while not self._ending.wait(ASK_SECONDS):
            try:
                self.look()
            except HeadGoneError as error:
                log.info("%s", error)
            except Exception:  # the boundary of a thread: what is wrong now may be mended later
                log.exception("fetching failed; it is tried again")

    def _fetch(self, asset: Asset) -> None:
        family = asset.name if asset.kind is AssetKind.MODEL else ""
        missing = [piece for piece in self._head.pieces(asset) if lacks(family, piece, self._settings.model)]
        coming = coming_folder(self._settings, asset)
        telling = _Telling(self._head, self._host, asset, sum(piece.size for piece in missing), self._ending)
        require_room(self._settings, still_to_come(missing, partial(_places, coming)), ROOM)
        telling.at(0)
        done = 0
        for piece in missing:
            for file in piece.files:
                self._bring(file, coming / file.sha256, telling, done)
                done += file.size
            settle(self._settings, piece, coming)
        with suppress(OSError):
            shutil.rmtree(coming)
        self._head.told(self._host, asset, PushState.DONE, done, done)

    def _give(self, host: str, asset: Asset) -> None:
        telling = _Telling(self._head, host, asset, 0, self._ending, f"from {self._host}")
        give(self._head, host, asset, telling.of, self._settings.model)

    def _bring(self, file: BroughtFile, whole: Path, telling: "_Telling", before: int) -> None:
        """Have the file ``whole``, which appears complete."""
        if whole.is_file() and whole.stat().st_size == file.size:
            return
        _, part = _places(whole.parent, file)
        part.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            digest = hashlib.sha256()
            with part.open("a+b") as target:
                target.seek(0)
                while block := target.read(1 << 20):
                    digest.update(block)
                    telling.at(before + min(target.tell(), file.size))
                if target.tell() > file.size:
                    target.truncate(0)
                    digest = hashlib.sha256()
                for block in self._head.file(file.sha256, target.tell(), file.size):
                    target.write(block)
                    digest.update(block)
                    telling.at(before + target.tell())
                target.flush()
                os.fsync(target.fileno())
            if digest.hexdigest() == file.sha256:
                part.replace(whole)
                return
            part.unlink()
        raise StorageError(f"a file came from the head damaged {TRIES} times: {file.name or file.sha256[:12]}.")


class _Telling:
    """Tells the head how far this machine is, now and then; the answer may be to stop. ``word``: what else to tell."""

    def __init__(
        self, head: Head, host: str, asset: Asset, total: int, ending: threading.Event, word: str = ""
    ) -> None:
        self._head, self._host, self._asset, self._total, self._ending = head, host, asset, total, ending
        self._word = word
        self._next = 0.0

    def of(self, done: int, total: int) -> None:
        """As ``at``, where all that is to come was not known before."""
        self._total = total
        self.at(done)

    def at(self, done: int) -> None:
        """Raises CancelledError when it is not wanted any more."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TELL_SECONDS
        wanted = self._head.told(self._host, self._asset, PushState.COMING, done, self._total, self._word)
        if not wanted or self._ending.is_set():
            raise CancelledError(f"{self._asset.name} is not wanted any more; what has arrived stays for a day.")


def _places(coming: Path, file: BroughtFile) -> tuple[Path, Path]:
    """Where a file is when it is whole, and where as far as it has come."""
    return coming / file.sha256, coming / f"{file.sha256}{PART}"
