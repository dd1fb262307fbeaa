"""What jobs have made: files, pictures, logs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from farm.errors import StorageError

from .transport import Transport


class Results(Transport):
    """See the module."""

    def thumbnail(self, job_id: str) -> bytes:
        """A small JPEG of a job; NotFoundError when it has no picture."""
        return self._send("GET", f"/jobs/{job_id}/thumbnail").content

    def artifact(self, job_id: str, name: str = "video") -> bytes:
        """The bytes of an artifact, such as ``video``, ``image`` or ``contact_sheet``."""
        return self._send("GET", f"/jobs/{job_id}/artifacts/{name}").content

    def pieces(self, job_id: str, name: str = "video") -> Iterator[bytes]:
        """The same in pieces of a megabyte at most, for files larger than memory."""
        with self._open("GET", f"/jobs/{job_id}/artifacts/{name}") as response:
            yield from response.iter_bytes(1 << 20)

    def preview(self, job_id: str, section: int) -> bytes:
        """A JPEG of a section, as far as it is denoised; NotFoundError before it has begun."""
        return self._send("GET", f"/jobs/{job_id}/sections/{section}/preview").content

    def log(self, job_id: str, attempt_id: str, *, start: int = 0, tail: int | None = None) -> bytes:
        """An attempt's log in UTF-8, from byte ``start`` on, or its last ``tail`` lines; NotFoundError without one."""
        params = {"start": start} if tail is None else {"start": start, "tail": tail}
        return self._send("GET", f"/jobs/{job_id}/attempts/{attempt_id}/log", params=params).content

    def quality(self, job_id: str) -> dict[str, Any]:
        """How good a video is, as far as it is decoded: values by section and kind, limits, drift."""
        return dict(self._send("GET", f"/jobs/{job_id}/quality").json())

    def download(
        self, job_id: str, path: Path, name: str = "video", on_bytes: Callable[[int], None] | None = None
    ) -> Path:
        """Write an artifact to ``path``, which never exists half-written; StorageError when it can't be written."""
        return self._download(f"/jobs/{job_id}/artifacts/{name}", path, on_bytes)

    def download_partial(self, job_id: str, path: Path) -> Path:
        """Write what is decoded so far of a job that is not completed to ``path``, as an MP4; NotFoundError while
        there is nothing."""
        return self._download(f"/jobs/{job_id}/partial.mp4", path)

    def _download(self, url: str, path: Path, on_bytes: Callable[[int], None] | None = None) -> Path:
        aside = path.with_name(f".{path.name}.partial")
        try:
            with self._open("GET", url) as response:
                with aside.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 20):
                        file.write(chunk)
                        if on_bytes:
                            on_bytes(len(chunk))
            os.replace(aside, path)
        except OSError as error:
            raise StorageError(
                f"can't write {path}: {error.strerror or error}. Choose another path or free space."
            ) from None
        finally:
            aside.unlink(missing_ok=True)
        return path
