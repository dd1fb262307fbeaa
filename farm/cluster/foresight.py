"""What results will make ready begins while they are still being written.

From a result to the start of what waited for it there are a transaction, rows to be read, a decision, another
transaction, and a call. Here the same decision is made before, from memory, and free replicas are called at once. The
rows have the last word: the attempts are started in the very transaction that takes the results over, by the rules of
any other, and count only from then on. A replica whose attempt is refused there, or of which the rows tell anything
else than it was told, stops at its next step, and the task is decided on again.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

from farm.errors import FarmError
from farm.jobs.gate import frees
from farm.jobs.records import Artifact, Attempt, AttemptSpec, AttemptState, FailureKind, Job, Task
from farm.store.jobs import JobStore
from farm.store.lifecycle import new_id
from farm.store.rows import now
from farm.work.specs import spec_for, specs_of

from .board import Board
from .calls import Background, insist
from .commits import Start, Waiting
from .dispatch import AT_ONCE, Dispatcher, Wanted
from .following import Follower
from .members import Held, Member, Members
from .queue import QueueReader

TOLD_OTHERWISE = "its replica was told of it before its inputs were written, and not what the rows say"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Early:
    """An attempt that a replica has, but no row yet."""

    wanted: Wanted
    held: Held
    spec: AttemptSpec


class Foresight:
    """See the module."""

    def __init__(
        self,
        store: JobStore,
        board: Board,
        queue: QueueReader,
        members: Members,
        follower: Follower,
        dispatcher: Dispatcher,
    ) -> None:
        self._store, self._board, self._queue, self._members = store, board, queue, members
        self._follower, self._dispatcher = follower, dispatcher
        self._read: dict[str, tuple[frozenset[str], tuple[Job, Task, dict[str, Artifact]]]] = {}
        self._background = Background()

    @property
    def due(self) -> bool:
        """Whether a replica may be free for what comes next, and something must be read for that."""
        return any(member.ready and member.ahead is None for member in self._members.all()) and bool(self._unread())

    async def prepare(self) -> None:
        """Read what the replicas will have to be told, as far as it is known before the last inputs are there."""
        coming = self._board.coming.needs.keys()
        self._read = {id: known for id, known in self._read.items() if id in coming}
        unread = self._unread()
        tasks = [(job_id, task_id) for task_id, (job_id, _) in unread.items()]
        found = await asyncio.to_thread(self._store.to_start_tasks, tasks)
        self._read |= {id: (needs, rows) for (id, (_, needs)), rows in zip(unread.items(), found, strict=True)}

    def begin(self, results: Sequence[Waiting]) -> list[Start]:
        """Tell free replicas what they can begin with these ``results``; the attempts, which are to be started in the
        transaction that takes those over."""
        ending = {member.attempt: member for member in self._members.all() if member.attempt}
        over = [(ending[each.result.attempt_id], each) for each in results if each.result.attempt_id in ending]
        files: dict[str, dict[str, Artifact]] = defaultdict(dict)
        done: dict[str, set[str]] = defaultdict(set)
        for member, each in over:
            task = member.running.hold.task if member.running and member.running.hold else None
            if task and frees(task.id.rpartition(".")[2], each.result.facts):
                done[each.job_id].add(task.id)
                files[each.job_id] |= {file.name: file for file in each.result.artifacts}
        able = self._read.keys() & self._board.foresee(done)
        return self._begin(able, [member for member, _ in over], files) if able else []

    def _begin(self, able: Set[str], ending: Sequence[Member], files: Mapping[str, dict[str, Artifact]]) -> list[Start]:
        members = {member.slot.place: member for member in self._members.all()}
        for member in ending:
            if member.ahead is None:
                self._board.put_seat(replace(member.seat(), running=None))
        decided = self._board.decide(AT_ONCE).starts
        starts = [one for one in decided if one.task_id in able and one.seat_id in members and not one.ahead]
        early = [self._call(wanted, files) for wanted in self._dispatcher.wanted(starts, members)]
        for member in ending:
            self._board.put_seat(member.seat())
        return [self._start(each) for each in early if each]

    def _unread(self) -> dict[str, tuple[str, frozenset[str]]]:
        """Job and needs of the tasks that will be ready next, and have not been read since these came to need no more
        than what is at work."""
        known = {id: needs for id, (needs, _) in self._read.items()}
        return {id: told for id, told in self._board.coming.needs.items() if known.get(id) != told[1]}

    def _call(self, wanted: Wanted, files: Mapping[str, dict[str, Artifact]]) -> _Early | None:
        """Have the replica begin; None when it can't be told how."""
        task, member = wanted.task, wanted.member
        _, (job, row, known) = self._read.pop(task.id)
        attempt = Attempt(new_id(), task.id, job.id, 0, member.id, AttemptState.RUNNING, now())
        try:
            spec = spec_for(job, row, attempt, known | files[job.id])
        except FarmError as error:
            log.info("%s: %s", task.id, error)
            self._again(wanted)
            return None
        held = Held(attempt.id, self._board.hold(task, wanted.seconds), early=True)
        member.take(held)
        self._board.put_seat(member.seat())
        member.handle.start.remote(spec)
        return _Early(wanted, held, spec)

    def _start(self, early: _Early) -> Start:
        task, member = early.wanted.task, early.wanted.member
        then = partial(self._written, early)
        return Start(early.held.attempt, task.id, member.id, member.slot.label, early.wanted.key, then)

    def _written(self, early: _Early, outcome: Attempt | Exception | None) -> None:
        """What the rows say of the attempt; None: there is a result of an equal task by now."""
        if isinstance(outcome, Attempt):
            self._background.start(self._confirm(early, outcome))
            return
        log.info("%s began on %s before it could: %s", early.spec.task_name, early.wanted.member.id, outcome or "made")
        self._again(early.wanted)
        self._stop(early, "it could not begin yet")

    async def _confirm(self, early: _Early, attempt: Attempt) -> None:
        """Go on as with any attempt if the replica was told what the rows say."""
        (spec,) = await asyncio.to_thread(specs_of, self._store, [attempt])
        if spec == early.spec:
            early.held.early = False
            self._follower.begin(early.wanted.member, attempt, spec)
            return
        log.info("%s: %s", attempt.task_id, TOLD_OTHERWISE)
        await insist(self._store.fail_attempt, attempt.id, FailureKind.INTERRUPTION, TOLD_OTHERWISE)
        self._again(early.wanted)
        self._stop(early, TOLD_OTHERWISE)

    def _stop(self, early: _Early, why: str) -> None:
        early.held.unwanted = why
        self._follower.drop(early.wanted.member, early.held.attempt)

    def _again(self, wanted: Wanted) -> None:
        self._queue.again({wanted.task.job_id, *self._board.ended(wanted.task)})
