"""Running the farm: people and their shares, notices, disk, health."""

from typing import Any
from urllib.parse import quote

from .transport import Json, Transport


class Operation(Transport):
    """See the module."""

    def owners(self) -> list[Json]:
        """Who shares the farm: weight, limit, share of the last day's work, jobs waiting and running."""
        return self._list("/owners", "owners")

    def change_owner(self, name: str, **values: Any) -> Json:
        """Change an owner's ``weight`` or ``limit`` (or None) of tasks at a time; gives the owner."""
        return self._json("PATCH", f"/owners/{quote(name, safe='')}", json=values)

    def me(self) -> Json:
        """``{"name", "role", "known"}`` of whose token this client sends."""
        return self._json("GET", "/me")

    def users(self) -> list[Json]:
        """People with tokens of their own; for admins."""
        return self._list("/users", "users")

    def add_user(self, name: str, role: str = "artist", email: str = "") -> Json:
        """Add a ``viewer``, ``artist`` or ``admin``; the answer has their token, which can't be shown again."""
        return self._json("POST", "/users", json={"name": name, "role": role, "email": email})

    def change_user(self, name: str, role: str | None = None, email: str | None = None) -> Json:
        """Another role or e-mail address; None stays."""
        return self._json("PATCH", f"/users/{quote(name, safe='')}", json={"role": role, "email": email})

    def new_user_token(self, name: str) -> Json:
        """Another token for a person; the old one is of no use from then on."""
        return self._json("POST", f"/users/{quote(name, safe='')}/token")

    def remove_user(self, name: str) -> None:
        self._send("DELETE", f"/users/{quote(name, safe='')}")

    def audit(self, who: str | None = None, limit: int = 100) -> list[Json]:
        """Who did what, the newest first; for admins."""
        params = {"owner": who, "limit": limit}
        return list(self._json("GET", "/audit", params={k: v for k, v in params.items() if v is not None})["lines"])

    def notices(self) -> Json:
        """``{"rules", "deliveries"}``: who is told of what, and what was told lately."""
        return self._json("GET", "/notices")

    def try_rule(self, rule: str) -> Json:
        """Have a rule told of a test; gives the delivery."""
        return self._json("POST", "/notices/test", json={"rule": rule})

    def disk(self) -> Json:
        """Bytes of files by use, and what would go."""
        return self._json("GET", "/disk")

    def free_disk(self) -> Json:
        """Remove the sections of finished jobs now; their videos stay."""
        return self._json("POST", "/disk/free")

    def health(self) -> Json:
        """Needs no token."""
        return self._json("GET", "/health")

    def metrics(self) -> str:
        """Prometheus text."""
        return self._send("GET", "/metrics").text
