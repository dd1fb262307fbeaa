"""What all answers of the API are made from, and those that are of no one room."""

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """Base of all answers: read from records by attribute."""

    model_config = ConfigDict(from_attributes=True)


class ErrorBody(BaseModel):
    type: str
    message: str


class ErrorView(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


class Health(BaseModel):
    """``status``: ``ok``, or ``degraded`` when the database can't be read."""

    status: str
    version: str
    database: str


class DiskView(BaseModel):
    """Bytes of files, ``sizes`` by use; ``due``: what goes at the next sweep; ``spare``: what finished jobs could do
    without; latents are kept for ``keep_latents_days``, null for ever, and while the total is below ``budget``."""

    sizes: dict[str, int]
    total: int
    jobs: int
    due: int
    spare: int
    keep_latents_days: float | None
    budget: int | None


class DiskFreed(BaseModel):
    """``freed``: bytes that went; ``disk``: how it is now."""

    freed: int
    disk: DiskView
