"""The round that tells: what happened goes into the outbox with the rules that want it, and what waits there is sent.

At least once: whoever gets a notice twice, as after a crash between sending and noting, knows it by its key.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from farm.errors import FarmError, InputError, UndeliveredError
from farm.settings import Settings
from farm.store.jobs import JobStore
from farm.store.outbox import Delivery

from .notice import OF_JOBS, Happening, Notice
from .rules import Rule, Rules, read_rules, rules_path
from .senders import command, mail, plugin, webhook
from .watching import Watcher

LOOK_SECONDS = 2.0
AT_ONCE = 20
"""Notices that one round sends."""

log = logging.getLogger(__name__)


class Outbox:
    """See the module. Rules are read anew when their file has changed; with a broken file the last good ones count.

    ``idle``: it has nothing to do, as in a farm for one job.
    """

    def __init__(self, settings: Settings, store: JobStore, idle: bool = False) -> None:
        self._settings, self._store, self._idle = settings, store, idle
        self._watcher = Watcher(store, settings.home)
        self._rules, self._read = Rules(), (-1, -1)
        self._looked = 0.0

    @property
    def due(self) -> bool:
        return not self._idle and time.monotonic() - self._looked >= LOOK_SECONDS

    def round(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """All of it, in a thread. Costs one look at a file while there are no rules."""
        self._looked = time.monotonic()
        rules = self._current()
        if not rules.notify:
            return
        self._store.collect_events([event.value for event in OF_JOBS], lambda found: self._deliveries(rules, found))
        happened = [_values(notice) for notice in self._watcher.look()]
        if happened:
            self._store.put_deliveries(self._deliveries(rules, happened))
        for delivery in self._store.due_deliveries(AT_ONCE):
            if stopping():
                return
            self._deliver(rules, delivery)

    def _current(self) -> Rules:
        try:
            found = rules_path(self._settings.home).stat()
            mark = (found.st_mtime_ns, found.st_size)
        except OSError:
            mark = (0, 0)
        if mark != self._read:
            self._read = mark
            try:
                self._rules = read_rules(self._settings.home, self._settings.when_idle)
            except InputError as error:
                log.error("nobody is told by new rules: %s", error)
        return self._rules

    def _deliveries(self, rules: Rules, found: list[dict[str, str]]) -> list[tuple[str, dict[str, str]]]:
        """Each rule that wants it with what happened."""
        return [(rule.name, values) for values in found for rule in rules.notify if rule.wants(_notice_of(values))]

    def _deliver(self, rules: Rules, delivery: Delivery) -> None:
        rule = next((rule for rule in rules.notify if rule.name == delivery.rule), None)
        if rule is None:
            self._store.note_delivery(delivery.key, "its rule is gone", final=True)
            return
        try:
            tell(rules, rule, _notice_of(delivery.notice), self._settings)
        except UndeliveredError as error:
            log.warning("%s was not told of %s: %s", rule.name, delivery.notice["event"], error)
            self._store.note_delivery(delivery.key, str(error))
        except FarmError:
            raise
        except Exception as error:
            log.exception("%s could not be told", rule.name)
            self._store.note_delivery(delivery.key, f"{type(error).__name__}: {error}")
        else:
            self._store.note_delivery(delivery.key, "")


def test_notice(rule: Rule) -> Notice:
    """For trying a rule: of the first thing that it wants."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Notice(f"test:{rule.name}:{at}", rule.on[0], at, "This is a test of the farm's notices.")


def tell(rules: Rules, rule: Rule, notice: Notice, settings: Settings) -> None:
    """By the rule's way; UndeliveredError when that did not work."""
    if rule.url is not None:
        webhook.send(rule, notice)
    elif rule.mail and rules.smtp is not None:
        mail.send(rule, notice, rules.smtp)
    elif rule.sender:
        from plugins.manager import get_manager

        plugin.send(rule, notice, get_manager(settings))
    else:
        command.send(rule, notice)


def _values(notice: Notice) -> dict[str, str]:
    return notice.to_json()


def _notice_of(values: dict[str, str]) -> Notice:
    return Notice(**{**values, "event": Happening(values["event"])})  # type: ignore[arg-type]
