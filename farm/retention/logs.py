"""What logs take: of attempts, which stay with their jobs, and of the farm's own processes on this machine."""

from contextlib import suppress

from farm.jobs.names import LOGS
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore


def log_sizes(settings: Settings, artifacts: ArtifactStore) -> dict[str, int]:
    """Bytes of ``logs`` and ``service_logs``.

    Raises:
        StorageError: the artifact store can't be reached.
    """
    service = 0
    for path in settings.logs_dir.rglob("*"):
        with suppress(FileNotFoundError):  # Ray's are replaced with each start
            service += path.stat().st_size if path.is_file() else 0
    return {"logs": artifacts.size_of(LOGS), "service_logs": service}
