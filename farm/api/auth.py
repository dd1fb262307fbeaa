"""The bearer token: one secret in the farm's home, compared in constant time."""

import contextlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from farm.errors import AuthError, StorageError

bearer = HTTPBearer(auto_error=False, description="The token in FARM_HOME/token; `farm token` prints it.")


def ensure_token(path: Path) -> str:
    """The token in the file ``path``; made on first use, readable by its owner only.

    Safe when several processes ask at once: the file appears whole, and the first one wins.

    Raises:
        StorageError: it can't be read or written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}.partial")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
            aside.unlink()
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"can't read or make the token file {path}: {error}. Make it readable or set FARM_HOME."
        ) from None
    if not token:
        raise StorageError(f"the token file {path} is empty; delete it, a new one is made on the next start")
    return token


def require_token(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None
) -> None:
    """Dependency: let the request pass only with the farm's token. Raises AuthError."""
    if credentials is None:
        raise AuthError("a token is needed: send `Authorization: Bearer TOKEN`, set FARM_TOKEN, or see `farm token`")
    expected: str = request.app.state.farm.token
    if not hmac.compare_digest(credentials.credentials.encode(), expected.encode()):
        raise AuthError("the token is wrong; `farm token` on the farm's machine prints the right one")
