"""Roles, and who asks."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    """Sees everything, changes nothing."""
    ARTIST = "artist"
    """Queues jobs, and changes their own."""
    ADMIN = "admin"
    """Changes everything: others' jobs, machines, shares, people."""


RANKS = tuple(Role)
"""Each may do what those before it may."""


@dataclass(frozen=True)
class Caller:
    """Who asks. ``name`` is the owner of what they queue; ``known``: a person of the list, not whoever has the farm's
    own token, who may say in whose name they ask."""

    name: str
    role: Role
    known: bool = True

    def may(self, role: Role) -> bool:
        """Whether they may do what that role may."""
        return RANKS.index(self.role) >= RANKS.index(role)

    def may_change(self, owner: str) -> bool:
        """Whether they may change what is ``owner``'s."""
        return self.role is Role.ADMIN or (self.role is Role.ARTIST and self.name == owner)


HOUSEHOLD = Caller("local", Role.ADMIN, known=False)
"""Whoever has the farm's own token."""
