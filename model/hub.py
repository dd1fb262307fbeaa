"""Hugging Face Hub: what its cache on this machine holds, and what can go wrong on the way to it.

``huggingface_hub`` reads HF_HOME, HF_HUB_OFFLINE and HF_ENDPOINT once, when it is imported; set them before the process
starts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farm.errors import FarmError, StorageError

from .sources import Source


class HubError(FarmError):
    """A repository can't be reached or read, or gave a damaged file."""

    status = 502


def cached(source: Source) -> tuple[Path, str] | None:
    """Where the cache holds ``source``, and of which commit; None: not there. No network.

    The folder may be incomplete; that is for the reader to see.
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=source.repository, repo_type="model")
    reference = storage / "refs" / source.revision
    commit = reference.read_text().strip() if reference.is_file() else source.revision
    path = storage / "snapshots" / commit / source.folder
    return (path, commit) if path.exists() else None


@contextmanager
def hub_errors(repository: str) -> Iterator[None]:
    """One line for what can go wrong between here and the hub."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    place = constants.ENDPOINT
    try:
        yield
    except FarmError:
        raise
    except GatedRepoError:
        raise HubError(
            f"{repository} asks for consent: accept its terms at {place}/{repository}, set HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise HubError(f"{place} has {repository}, but not the revision asked for; check models.toml.") from None
    except RepositoryNotFoundError:
        raise HubError(
            f"{place} has no repository {repository}, or not for you; check the name, or set HF_TOKEN."
        ) from None
    except OfflineModeIsEnabled:
        raise HubError("HF_HUB_OFFLINE is set, so nothing can be downloaded; unset it and pull again.") from None
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise HubError(
            f"{place} can't give {repository} ({_line(error)}); what has arrived is kept: pull again."
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise StorageError(f"can't write {repository} into {constants.HF_HUB_CACHE}: {error.strerror}.") from error
        raise HubError(
            f"{place} broke off {repository} ({_line(error)}); what has arrived is kept: pull again."
        ) from error
    except Exception as error:
        if not _is_network(error):
            raise
        raise HubError(
            f"{place} can't be reached for {repository} ({_line(error)}); what has arrived is kept: pull again."
        ) from error


def _is_network(error: BaseException) -> bool:
    """Whether the library's HTTP client, which it may change, raised ``error``."""
    return type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2")


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
