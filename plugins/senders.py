"""Senders that plug-ins bring: other ways to tell somebody of what happened. They run in a process of their own."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Sender(Protocol):
    """Tells somebody of a notice, such as in a chat.

    Attributes:
        name: what a rule in notify.toml names, lower case, such as ``matrix``.

    It may also have:
        title: what it does, in one line, for people.
        options: a class made from ``plugins.exporters.Options``, for what a rule says of it.
    """

    name: str

    def send(self, notice: Mapping[str, str], options: Any) -> None:
        """Tell it, within a minute; whatever is raised is noted, and it is asked again later.

        Args:
            notice: ``event``, ``message``, ``title``, ``at`` (ISO time), and of a job ``job``, ``name``, ``owner`` and
                ``state``. ``key`` is the same when it comes again.
            options: an instance of ``options`` with what the rule says; None for a sender that has none.
        """
        ...
