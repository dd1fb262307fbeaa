"""The log of an attempt: what was said while it was at work, and the traceback of what ended it; no part of a result.

While the attempt is at work its log grows in its private folder; once it has ended it is kept with the job, also when
there is no result.
"""

import logging
import re
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from farm.errors import CancelledError, NotFoundError
from farm.jobs.names import attempt_folder, growing_log_key, log_key
from farm.jobs.records import AttemptSpec

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore

LIMIT = 256_000
"""Most bytes of a log."""
ENDING = 32_000
"""Of these, kept free for how the attempt ends."""
FLUSH_SECONDS = 2.0
"""Least time between two writings of a growing log."""
PATIENCE = 5.0
"""Seconds that the end of an attempt waits for its log to be written."""
LEFT_OUT = "... further lines are left out.\n"
OURS = ("farm", "model", "plugins")
"""Loggers whose messages are taken from INFO on; those of others from WARNING on."""

_SECRETS = (
    (re.compile(r"(://)[^/\s:@]+:[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]+"), r"\1***"),
    (re.compile(r"(?i)\b([\w-]*(?:token|secret|password|api[-_]?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+"), r"\1***"),
)

log = logging.getLogger(__name__)


@contextmanager
def attempt_log(artifacts: "ArtifactStore", spec: AttemptSpec) -> Iterator[None]:
    """Write the log of what this thread does inside. What is raised goes into it and on."""
    handler = _Handler(artifacts, growing_log_key(spec.output_prefix))
    with _listening(handler):
        try:
            yield
        except CancelledError as error:
            handler.end(f"stopped: {error}")
            raise
        except BaseException as error:
            handler.end("failed\n" + "".join(traceback.format_exception(error)).rstrip())
            raise
        finally:
            handler.close()


def keep_log(artifacts: "ArtifactStore", job_id: str, attempt_id: str) -> None:
    """Keep the log of an attempt that has ended; it may have none. Doing it again is a no-op."""
    try:
        artifacts.publish(growing_log_key(attempt_folder(job_id, attempt_id)), log_key(job_id, attempt_id))
    except NotFoundError:
        return
    except Exception as error:  # noqa: BLE001 - whatever the store's client raises, no attempt fails for its log
        log.warning("the log of attempt %s is lost: %s: %s", attempt_id, type(error).__name__, error)


def read_log(artifacts: "ArtifactStore", job_id: str, attempt_id: str) -> bytes | None:
    """The log of an attempt as far as it is written; None when it has none (yet)."""
    for key in (log_key(job_id, attempt_id), growing_log_key(attempt_folder(job_id, attempt_id))) * 2:
        with suppress(NotFoundError):  # it may be moved from one place to the other in this moment
            return artifacts.read(key)
    return None


def without_secrets(text: str) -> str:
    """``text`` with asterisks where it looks like passwords and tokens."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


@contextmanager
def _listening(handler: "_Handler") -> Iterator[None]:
    """Have messages and warnings of this thread sent to ``handler``."""
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in OURS]
    levels = [logger.level for logger in ours]
    shown = warnings.showwarning

    def show(
        message: Any, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        handler.warn(f"{category.__name__}: {message} ({filename}:{lineno})")
        shown(message, category, filename, lineno, file, line)

    root.addHandler(handler)
    warnings.showwarning = show
    for logger in ours:
        logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        root.removeHandler(handler)
        if warnings.showwarning is show:
            warnings.showwarning = shown
        for logger, level in zip(ours, levels, strict=True):
            logger.setLevel(level)


class _Handler(logging.Handler):
    """Collects the lines of one thread, and writes them to ``key`` now and then, from a thread of its own."""

    def __init__(self, artifacts: "ArtifactStore", key: str) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
        self.formatter.converter = time.gmtime  # type: ignore[union-attr]
        self._artifacts, self._key, self._thread = artifacts, key, threading.get_ident()
        self._lines: list[bytes] = []
        self._size, self._full, self._next = 0, False, 0.0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._written: Future[Any] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread == self._thread and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        self._add(self.format(record), LIMIT - ENDING)
        if time.monotonic() >= self._next and (self._written is None or self._written.done()):
            self._next = time.monotonic() + FLUSH_SECONDS
            self._written = self._writer.submit(self._write, b"".join(self._lines))

    def warn(self, text: str) -> None:
        """A line for a warning of Python's, if it is this thread's."""
        if threading.get_ident() == self._thread:
            self.handle(logging.LogRecord("py.warnings", logging.WARNING, "", 0, text, (), None))

    def end(self, text: str) -> None:
        """The last words; of long ones the end."""
        record = logging.LogRecord(__name__, logging.ERROR, "", 0, "%s", (text[-ENDING // 2 :],), None)
        self._add(self.format(record), LIMIT)

    def close(self) -> None:
        """Write what there is; a log that can't be written is no fault of the attempt's."""
        try:
            self._writer.submit(self._write, b"".join(self._lines)).result(PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a log must not reach the render
            log.warning("the log %s can't be written: %s: %s", self._key, type(error).__name__, error)
        self._writer.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _add(self, text: str, room: int) -> None:
        line = (without_secrets(text) + "\n").encode(errors="replace")
        if self._size + len(line) <= room:
            self._lines.append(line)
            self._size += len(line)
        elif not self._full:
            self._full = True
            self._lines.append(LEFT_OUT.encode())
            self._size += len(LEFT_OUT)

    def _write(self, content: bytes) -> None:
        self._artifacts.write(self._key, content, media_type="text/plain")
