"""Downloading from the Hugging Face Hub: only what is needed, whole or not at all.

``huggingface_hub`` resumes a broken connection, but forgets a file that was begun when the process ends. Weights are
several gigabytes a file, so here a file that was begun stays, and is checked against its digest before it counts.
"""

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from farm.errors import InputError, StorageError

from .hub import HubError, hub_errors
from .sources import Source
from .weights import file_sha256

SPARE_BYTES = 2**30
"""Left free on the disk beside what is downloaded."""


@dataclass(frozen=True)
class Wanted:
    """Files of one repository at one revision; ``patterns`` as for ``fnmatch``."""

    repository: str
    revision: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Fetched:
    """What a pull did: ``bytes`` now downloaded, ``kept`` bytes that were there, the ``commit`` they belong to."""

    repository: str
    commit: str
    bytes: int
    kept: int


Report = Callable[[str, int, int], None]
"""Called with (file, bytes on disk, bytes in all) as a download goes on."""


def wanted(sources: Iterable[tuple[str, Source]]) -> list[Wanted]:
    """What to download for these (part, source): one entry per repository and revision."""
    patterns: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for part, source in sources:
        if source.path is None:
            patterns[source.repository, source.revision].update(dict.fromkeys(source.patterns(part)))
    return [Wanted(*key, tuple(names)) for key, names in patterns.items()]


def pull(wants: Iterable[Wanted], report: Report, *, check: bool = False) -> list[Fetched]:
    """Download what is missing. A second call goes on where the first was stopped.

    Args:
        wants: see ``wanted``.
        report: see ``Report``.
        check: read what is there again and compare it with its digest, too.

    Raises:
        HubError: a repository can't be reached or read, or a file arrives damaged twice.
        StorageError: the disk is too small, or can't be written.
    """
    listed = [_list(want) for want in wants]
    for repository in listed:
        repository.drop_damaged(check)
    _check_space(listed)
    fetched = []
    for repository in listed:
        before = repository.missing_bytes
        with hub_errors(repository.want.repository):
            for file in repository.files:
                if file.sha256:
                    repository.fetch(file, report)
            repository.complete()
        total = sum(file.size for file in repository.files)
        fetched.append(Fetched(repository.want.repository, repository.commit, before, total - before))
    return fetched


@dataclass(frozen=True)
class _File:
    """A file of a repository. ``blob``: its name in the cache; ``sha256``: of large files, else empty."""

    name: str
    size: int
    blob: str
    sha256: str


@dataclass(frozen=True)
class _Repository:
    want: Wanted
    commit: str
    storage: Path
    files: tuple[_File, ...]

    @property
    def missing_bytes(self) -> int:
        return sum(file.size - _size(self.partial(file)) for file in self.files if not self.blob(file).exists())

    def blob(self, file: _File) -> Path:
        return self.storage / "blobs" / file.blob

    def partial(self, file: _File) -> Path:
        return self.storage / "blobs" / f"{file.blob}.begun"

    def drop_damaged(self, check: bool) -> None:
        """Remove cached files of a wrong length, and with ``check`` those of a wrong digest."""
        for file in self.files:
            blob = self.blob(file)
            if blob.exists() and (blob.stat().st_size != file.size or (check and not _intact(blob, file))):
                blob.unlink()

    def fetch(self, file: _File, report: Report) -> None:
        """Download a large file, going on where an earlier call was stopped; it is renamed once its digest is right."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import WeakFileLock, build_hf_headers

        blob, partial = self.blob(file), self.partial(file)
        blob.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(self.want.repository, file.name, revision=self.commit)
        with WeakFileLock(partial.with_suffix(".lock")):
            for last in (False, True):
                if blob.exists():
                    self.point(file)
                    report(file.name, file.size, file.size)
                    return
                with partial.open("ab") as stream:
                    begun = min(stream.tell(), file.size)
                    http_get(
                        url,
                        stream,
                        resume_size=begun,
                        headers=build_hf_headers(),
                        expected_size=file.size,
                        displayed_filename=file.name,
                        _tqdm_bar=_Bar(file, begun, report),  # type: ignore[arg-type]
                    )
                if _intact(partial, file):
                    partial.replace(blob)
                    self.point(file)
                    return
                partial.unlink()
                if last:
                    raise HubError(f"{self.want.repository}: {file.name} arrived damaged twice: its SHA-256 is wrong.")

    def point(self, file: _File) -> None:
        """Put a large file into the snapshot, as the library does."""
        link = self.storage / "snapshots" / self.commit / file.name
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(self.blob(file), link.parent))

    def complete(self) -> None:
        """Let the library fetch the small files and record which commit the revision means."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        snapshot_download(self.want.repository, revision=self.want.revision, allow_patterns=list(self.want.patterns))
        for file in self.files:
            self.partial(file).with_suffix(".lock").unlink(missing_ok=True)
            if not _intact(self.blob(file), file, quick=bool(file.sha256)):
                self.blob(file).unlink(missing_ok=True)
                raise HubError(f"{self.want.repository}: {file.name} arrived damaged; pull again.")


class _Bar:
    """What ``http_get`` takes for a progress bar."""

    def __init__(self, file: _File, done: int, report: Report) -> None:
        self._file, self._done, self._report = file, done, report

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *exception: object) -> None: ...

    def update(self, count: float) -> None:
        self._done += int(count)
        self._report(self._file.name, self._done, self._file.size)


def _list(want: Wanted) -> _Repository:
    """The files of a repository that are wanted, at the commit that its revision means now."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.hf_api import RepoFile
    from huggingface_hub.utils import filter_repo_objects

    api = HfApi()
    with hub_errors(want.repository):
        commit = api.model_info(want.repository, revision=want.revision).sha
        tree = api.list_repo_tree(want.repository, recursive=True, revision=commit)
        found = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    names = list(filter_repo_objects(found, allow_patterns=list(want.patterns)))
    if not names:
        raise InputError(f"{want.repository} holds none of {', '.join(want.patterns)}; is it the right repository?")
    files = []
    for name in names:
        entry = found[name]
        sha256 = entry.lfs.sha256 if entry.lfs else ""
        files.append(_File(name, entry.lfs.size if entry.lfs else entry.size, sha256 or entry.blob_id, sha256))
    storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=want.repository, repo_type="model")
    return _Repository(want, str(commit), storage, tuple(files))


def _check_space(repositories: list[_Repository]) -> None:
    needed = sum(repository.missing_bytes for repository in repositories)
    if not needed:
        return
    folder = next(path for path in repositories[0].storage.parents if path.exists())
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise StorageError(
            f"{needed / 1e9:.1f} GB are to be downloaded into {repositories[0].storage.parent}, where "
            f"{free / 1e9:.1f} GB are free; make room, or set HF_HOME to a folder on a larger disk."
        )


def _intact(path: Path, file: _File, quick: bool = False) -> bool:
    if _size(path) != file.size:
        return False
    if quick:
        return True
    if file.sha256:
        return file_sha256(path) == file.sha256
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file.blob  # git's name for its content


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
