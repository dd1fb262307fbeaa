"""From settings to the artifact store that they name."""

from pathlib import Path
from urllib.parse import urlsplit

from farm.errors import InputError, StorageError
from farm.settings import Settings

from .protocol import ArtifactStore

GB = 10**9


def open_store(settings: Settings) -> ArtifactStore:
    """The farm's artifacts as this process gets at them: a folder, an object store, or the head's store over HTTP.

    The last two are behind the cache in the home. Nothing is sent or written yet; see ``marker`` for a check.

    Raises:
        InputError: the URL can't be used, or the node's credential is missing.
        StorageError: the file with the credential can't be read.
    """
    from .cache import Cache
    from .cached import CachedStore, Transport
    from .local import LocalStore

    url = settings.artifacts_url
    scheme = url.partition("://")[0]
    if scheme == url or scheme == "file":
        return LocalStore(url)
    transport: Transport
    if scheme in ("http", "https"):
        from .http import HeadTransport

        transport = HeadTransport(url, _credential(settings))
    else:
        from .objects import ObjectTransport

        transport = ObjectTransport(url)
    return CachedStore(_shown(url), transport, Cache(settings.cache_dir, round(settings.cache_gb * GB)))


def _credential(settings: Settings) -> str:
    found = settings.node_token or _read(settings.node_token_path)
    if not found:
        raise InputError(
            f"FARM_ARTIFACTS_URL is {_shown(settings.artifacts_url)}, the store of a farm's head, which needs that "
            "farm's node credential: put what `farm token --node` prints there into FARM_NODE_TOKEN or "
            f"{settings.node_token_path}."
        )
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"can't read the node credential {path}: {error}. Make it readable.") from None


def _shown(url: str) -> str:
    """``url`` without credentials that may be in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
