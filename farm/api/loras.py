"""Routes about LoRAs: which there are, and a picture of what each does."""

from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel

from farm.errors import FarmError, InputError, NotFoundError
from model.loras.about import about_lora, picture_of
from model.loras.library import available, find

from .context import Farm
from .thumbnails import small_picture

router = APIRouter(tags=["catalog"])

KEPT = 128
"""Pictures that are in memory."""


class LoraView(BaseModel):
    """A LoRA file that requests can name. ``title`` and ``triggers``, words for prompts, are what the file tells of
    itself; ``picture``: changes with its picture, empty when there is none; ``error``: why it can't be used."""

    name: str
    bytes: int
    title: str = ""
    triggers: tuple[str, ...] = ()
    picture: str = ""
    error: str = ""


class LoraList(BaseModel):
    loras: list[LoraView]


@router.get("/loras", summary="List LoRAs")
def list_loras(farm: Farm) -> LoraList:
    """Files in the farm's folders of LoRAs, by the name that a request uses; one that has just come is there, too."""
    found = (_view(name, file) for name, file in available(farm.settings.model).items())
    return LoraList(loras=[lora for lora in found if lora is not None])


@router.get("/loras/{lora:path}/picture", summary="Look at a LoRA", response_class=Response)
def get_picture(
    farm: Farm,
    lora: Annotated[str, Path(max_length=400, description="Its name")],
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """A JPEG of at most 128 pixels a side: of the picture in the file's header, or of one beside it."""
    try:
        file = find(lora, farm.settings.model)
    except InputError as error:
        raise NotFoundError(str(error)) from None
    mark = about_lora(file).picture
    if not mark:
        raise NotFoundError(f"LoRA {lora!r} has no picture.")
    headers = {"ETag": f'"{mark}"', "Cache-Control": "private, no-cache"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(_small(file, mark), media_type="image/jpeg", headers=headers)


@lru_cache(maxsize=KEPT)
def _small(file: FilePath, mark: str) -> bytes:
    """The picture that ``file`` has as long as ``mark`` is the same."""
    return small_picture(picture_of(file))


def _view(name: str, file: FilePath) -> LoraView | None:
    """None for one that was removed a moment ago."""
    size = 0
    try:
        size = file.stat().st_size
        return LoraView(name=name, bytes=size, **vars(about_lora(file)))
    except FileNotFoundError:
        return None
    except (FarmError, OSError) as error:
        return LoraView(name=name, bytes=size, error=str(error))
