"""A sender that a plug-in brings, in a process of its own on the head."""

from typing import TYPE_CHECKING

from farm.errors import FarmError, PluginError, UndeliveredError

from ..notice import Notice
from ..rules import Rule

if TYPE_CHECKING:
    from plugins.manager import PluginManager

SECONDS = 60.0


def send(rule: Rule, notice: Notice, plugins: "PluginManager") -> None:
    """Ask it to, with the options of the rule."""
    from plugins.asking import ask

    try:
        sender = plugins.sender(rule.sender)
        options = sender.check(rule.options)
    except FarmError as error:
        raise UndeliveredError(str(error)) from None
    told = {**notice.to_json(), "title": notice.title}
    try:
        ask(sender.source, "send", SECONDS, sender=sender.name, notice=told, options=options)
    except PluginError as error:
        raise UndeliveredError(f"plug-in {sender.source.name}: {error}") from None


def problem(rule: Rule, plugins: "PluginManager") -> str:
    """Why the rule's sender can't tell anybody, whatever happens; empty when it can."""
    if not rule.sender:
        return ""
    try:
        plugins.sender(rule.sender).check(rule.options)
    except FarmError as error:
        return str(error)
    return ""
