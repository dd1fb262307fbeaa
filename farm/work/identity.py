"""How much a section still shows who and what the start image shows, where this farm measures it."""

import logging
import math
from typing import TYPE_CHECKING

from farm.errors import FarmError, ResultError

from .workspace import Workspace

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


def identity_of(work: Workspace, frames: "torch.Tensor") -> float | None:
    """Cosine, from -1 to 1, of the start image and the middle one of a section's ``frames`` [n, height, width, 3]
    uint8.

    None where the farm doesn't ask for it (``Settings.identity``), the family has no image encoder, or nothing was
    given to start from.

    It is worth no attempt: what goes wrong is told in the log, and the section has no such figure then.
    """
    from model.family import WithImageEncoder
    from model.quality.identity import identity

    given = work.spec.request.given
    if not work.settings.identity or not (given.start_image or given.extend):
        return None
    renderer = work.load()
    if not isinstance(renderer, WithImageEncoder):
        return None
    try:
        found = identity(renderer.embed(frames[len(frames) // 2]), work.conditioning["image"])
        if not math.isfinite(found):
            raise ResultError("the image encoder gave values that are no finite numbers.")
    except (FarmError, KeyError, MemoryError, OSError, RuntimeError, ValueError) as error:
        log.warning("the identity of %s is not measured: %s: %s", work.spec.task_name, type(error).__name__, error)
        return None
    return found
