"""What is seen of a section while it is denoised: which steps were computed, and previews. Never part of a result."""

import io
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from farm.jobs.records import Artifact

if TYPE_CHECKING:
    import torch

    from farm.store.artifacts import ArtifactStore
    from model.family import Step

LEAST_SECONDS = 1.0
"""Time between two previews; more when they take more than ``LARGEST_SHARE`` of it."""
LARGEST_SHARE = 0.05
PATIENCE = 5.0
"""Seconds that the end of a section waits for its last preview."""
LEAST_HEIGHT = 96

log = logging.getLogger(__name__)


class Watch:
    """Looks at each step of one section.

    Args:
        artifacts, key: where the newest preview is kept, a JPEG; each replaces the one before.
        draw: gives pictures [frames, h, w, 3] uint8 of latents [channels, frames, h, w].
    """

    def __init__(self, artifacts: "ArtifactStore", key: str, draw: "Callable[[torch.Tensor], torch.Tensor]") -> None:
        self._artifacts, self._key, self._draw = artifacts, key, draw
        self._computed: dict[str, int] = {}
        self._steps: int | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._written: Future[Artifact] | None = None
        self._next = 0.0
        self._well = True

    def __call__(self, step: "Step") -> None:
        """See ``OnLook``. A preview that fails is the last one of its section, and no fault of the section's."""
        self._steps, self._computed = step.steps, {branch: sum(steps) for branch, steps in step.computed.items()}
        now = time.monotonic()
        last = step.done == step.steps
        if not self._well or not (last or now >= self._next):
            return
        try:
            if self._written is not None and self._written.done():
                self._written.result()
            elif self._written is not None and not last:
                return
            pictures = self._draw(step.x0)
            self._written = self._writer.submit(self._write, pictures)
            self._next = now + max(LEAST_SECONDS, (time.monotonic() - now) / LARGEST_SHARE)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a preview must not reach the render
            self._give_up(error)

    def facts(self, cache: str, steps: int) -> dict[str, str]:
        """For the section's metadata: ``computed`` counts the steps per CFG branch in which the blocks ran. ``steps``:
        those asked for, if none was seen."""
        return {"cache": cache, "steps": str(self._steps or steps), "computed": json.dumps(self._computed)}

    def close(self) -> Artifact | None:
        """The last preview, if it could be written; nothing writes any more afterwards, as far as can be seen to."""
        try:
            return self._written.result(PATIENCE) if self._written is not None and self._well else None
        except Exception as error:  # noqa: BLE001 - see above
            self._give_up(error)
            return None
        finally:
            self._writer.shutdown(wait=False, cancel_futures=True)

    def _write(self, pictures: "torch.Tensor") -> Artifact:
        return self._artifacts.write(self._key, strip(pictures), media_type="image/jpeg")

    def _give_up(self, error: BaseException) -> None:
        self._well = False
        log.warning("no preview of this section: %s: %s", type(error).__name__, error)


def strip(pictures: "torch.Tensor") -> bytes:
    """A JPEG of the pictures [frames, h, w, 3] uint8 side by side, enlarged until they can be made out."""
    from PIL import Image

    frames, height, width, _ = pictures.shape
    row = Image.fromarray(pictures.permute(1, 0, 2, 3).reshape(height, frames * width, 3).numpy())
    scale = -(-LEAST_HEIGHT // height)
    enlarged = row.resize((row.width * scale, row.height * scale), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    enlarged.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
