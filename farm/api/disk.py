"""Routes for what the farm's files take, and for making room."""

from fastapi import APIRouter

from farm.retention.logs import log_sizes
from farm.retention.policy import Keep
from farm.retention.sweep import keep_of, look, sweep

from .context import Farm, FarmContext
from .schemas import DiskFreed, DiskView

router = APIRouter(tags=["disk"])


@router.get("/disk", summary="Show what files take")
def get_disk(farm: Farm) -> DiskView:
    """Bytes by use, what goes at the next sweep, and what finished jobs could do without now."""
    return _view(farm)


@router.post("/disk/free", summary="Make room")
def free_disk(farm: Farm) -> DiskFreed:
    """Removes at once what finished jobs can do without: their sections and previews, not their videos and logs.

    Their videos can still be downloaded; another export, redo or fork of such a job renders its sections again.
    """
    freed = sweep(farm.store, farm.artifacts, Keep(0.0, 0))
    return DiskFreed(freed=freed, disk=_view(farm))


def _view(farm: FarmContext) -> DiskView:
    keep = keep_of(farm.settings)
    disk = look(farm.store, keep, logs=log_sizes(farm.settings, farm.artifacts))
    return DiskView(
        sizes=disk.sizes,
        total=sum(disk.sizes.values()),
        jobs=disk.jobs,
        due=disk.due,
        spare=disk.spare,
        keep_latents_days=keep.latent_days,
        budget=keep.budget,
    )
