"""What the routes share: store, artifacts, plug-ins, token."""

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from farm.accounts.users import Users
from farm.cluster.outlook import Outlook
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.jobs import JobStore
from farm.tokens import ensure_token
from plugins.manager import PluginManager, get_manager
from plugins.sources import find_sources

from .following import Following

LOOK_SECONDS = 1.0
"""Between two looks at the plug-ins' files."""


@dataclass(frozen=True)
class FarmContext:
    """Open handles of one process. Everything in it is thread-safe."""

    settings: Settings
    store: JobStore
    artifacts: ArtifactStore
    current_plugins: "CurrentPlugins"
    token: str
    nudge: Callable[[], None]
    following: Following
    outlook: Outlook
    users: Users

    @classmethod
    def open(cls, settings: Settings, nudge: Callable[[], None]) -> "FarmContext":
        """Make the home if needed, bring the database up to date, load the plug-ins."""
        settings.ensure_home()
        store = JobStore(settings.database_url)
        store.migrate()
        artifacts = open_store(settings)
        return cls(
            settings,
            store,
            artifacts,
            CurrentPlugins(settings),
            ensure_token(settings.token_path),
            nudge,
            Following(store),
            Outlook(store, settings.model_limits),
            Users(settings.users_path),
        )

    @property
    def plugins(self) -> PluginManager:
        """The plug-ins as their folder has them now."""
        return self.current_plugins.now()

    def changed(self) -> None:
        """To be called after each change that a user made."""
        self.outlook.expire()
        self.nudge()

    def delete_job(self, job_id: str) -> None:
        """Remove an ended job and its files."""
        self.store.delete_job(job_id)
        self.artifacts.remove_prefix(f"jobs/{job_id}")

    def close(self) -> None:
        self.store.close()


class CurrentPlugins:
    """A home's plug-ins, loaded anew when a file among them has changed, so that nobody has to restart the farm."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._looked = time.monotonic()
        self._seen = self._files()
        self._manager = get_manager(settings)

    def now(self) -> PluginManager:
        """What there is; a change is seen within ``LOOK_SECONDS``."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                self._looked = time.monotonic()
                seen = self._files()
                if seen != self._seen:
                    self._seen, self._manager = seen, get_manager(self._settings)
            return self._manager

    def reload(self) -> PluginManager:
        """Look again at everything: packages that were installed meanwhile, and what was disabled before."""
        with self._lock:
            importlib.invalidate_caches()
            self._looked, self._seen = time.monotonic(), self._files()
            self._manager = get_manager(self._settings, again=True)
            return self._manager

    def _files(self) -> list[str]:
        return [source.identity() for source in find_sources(self._settings.plugins_dir, packages=False)]


def _farm(request: Request) -> FarmContext:
    farm: FarmContext = request.app.state.farm
    return farm


Farm = Annotated[FarmContext, Depends(_farm)]
"""Type of a route's parameter that wants the context."""
