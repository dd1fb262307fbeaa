"""What the routes share: store, artifacts, plug-ins, token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from farm.cluster.outlook import Outlook
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.jobs import JobStore
from farm.tokens import ensure_token
from plugins.manager import PluginManager, get_manager

from .following import Following


@dataclass(frozen=True)
class FarmContext:
    """Open handles of one process. Everything in it is thread-safe."""

    settings: Settings
    store: JobStore
    artifacts: ArtifactStore
    plugins: PluginManager
    token: str
    nudge: Callable[[], None]
    following: Following
    outlook: Outlook

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
            get_manager(settings),
            ensure_token(settings.token_path),
            nudge,
            Following(store),
            Outlook(store),
        )

    def close(self) -> None:
        self.store.close()


def _farm(request: Request) -> FarmContext:
    farm: FarmContext = request.app.state.farm
    return farm


Farm = Annotated[FarmContext, Depends(_farm)]
"""Type of a route's parameter that wants the context."""
