"""Health, for supervisors and load balancers: needs no token and tells no secrets."""

from importlib.metadata import version

from fastapi import APIRouter, Response

from farm.errors import StorageError

from .context import Farm
from .schemas import Health

router = APIRouter(tags=["status"])


@router.get("/health", summary="Is the farm well?")
def health(farm: Farm, response: Response) -> Health:
    """503 when the database can't be read."""
    try:
        farm.store.list_jobs(limit=1)
    except StorageError:
        response.status_code = 503
        return Health(status="degraded", version=version("framepack-farm"), database="unreachable")
    return Health(status="ok", version=version("framepack-farm"), database="ok")
