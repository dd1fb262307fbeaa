"""Where the farm is, its token as the dashboard holds it, and the sessions of people who signed in, which it signs.

Whoever signed in with the farm's own token is the household; whoever did with a token of their own is a person, for
whom the dashboard asks the farm.
"""

import os

from itsdangerous import BadSignature, TimestampSigner

from farm.errors import AuthError
from farm.service.state import running_url
from farm.settings import Settings

SESSION_SECONDS = 30 * 24 * 3600
HOUSEHOLD = "in"
PERSON = "person:"

session_cookie = ""
"""Name of the cookie of sessions; empty where no door stands before the pages."""


def token() -> str:
    """``FARM_TOKEN``, else the one in the home; read anew each time, empty when there is none."""
    given = os.environ.get("FARM_TOKEN", "").strip()
    path = Settings.from_environment().token_path
    return given or (path.read_text().strip() if path.is_file() else "")


def address() -> str:
    """``FARM_URL``, else where the farm on this machine says it runs, else the default address."""
    settings = Settings.from_environment()
    if os.environ.get("FARM_URL", "").strip():
        return settings.url
    return running_url(settings) or settings.url


def sign(secret: str, person: str = "") -> str:
    """A session's cookie: of the person of that name, or of the household."""
    return _signer(secret).sign(f"{PERSON}{person}" if person else HOUSEHOLD).decode()


def read(secret: str, cookie: str) -> str:
    """Whose session it is; empty for the household's.

    Raises:
        AuthError: it is nobody's, or has ended; all end when the farm's token changes.
    """
    try:
        if not secret:
            raise BadSignature("no token")
        who = _signer(secret).unsign(cookie, max_age=SESSION_SECONDS).decode()
    except (BadSignature, UnicodeDecodeError):
        raise AuthError("this session has ended; sign in again.") from None
    return who.removeprefix(PERSON) if who.startswith(PERSON) else ""


def _signer(secret: str) -> TimestampSigner:
    return TimestampSigner(secret, salt="dashboard session")
