"""What a new coordinator does first: find the replicas that live, the attempts that they hold, and those of nobody."""

import asyncio
from collections.abc import Iterable

from farm.jobs.events import EventKind
from farm.jobs.records import Attempt, FailureKind
from farm.store.jobs import JobStore
from farm.work.failures import Failure

from .board import Board
from .calls import insist
from .endings import name_of
from .following import Follower
from .members import Held, Member, Members
from .replica import Holding


async def recover(
    store: JobStore, board: Board, members: Members, follower: Follower, running: Iterable[Attempt]
) -> None:
    """Go on with the ``running`` attempts of an earlier coordinator as far as their replicas live, and end the others;
    with what it had learnt, too."""
    read = asyncio.to_thread
    board.learn(await read(store.finished), await read(store.owners), await read(store.nodes))
    found = {member.id: (member, holding) for member, holding in await members.find()}
    attempts = {attempt.id: attempt for attempt in running}
    for attempt in attempts.values():
        await _take_up(store, follower, attempt, *found.get(attempt.replica, (None, None)))
    for member, holding in found.values():
        if holding is None:
            continue
        for attempt_id in holding.finished:
            if attempt_id not in attempts:
                member.handle.acknowledge.remote(attempt_id)
        for held in (holding.running, holding.ahead):
            if held and held not in attempts:
                follower.drop(member, held)
    places = {member.id: member.slot.place for member in members.all()}
    board.remember(await read(store.endings), places)


async def _take_up(
    store: JobStore, follower: Follower, attempt: Attempt, member: Member | None, holding: Holding | None
) -> None:
    """Go on with an attempt, or end it."""
    if member is None:
        await follower.endings.note_loss(None, attempt, "its replica is gone")
        return
    if holding is not None and attempt.id not in (holding.running, holding.ahead, *holding.finished):
        failure = Failure(FailureKind.NEVER_STARTED, f"{attempt.replica} never got it")
        await follower.endings.fail(None, attempt, failure)
        return
    if holding is not None and attempt.id == holding.ahead:
        member.ahead = Held(attempt.id)
    else:
        member.running = Held(attempt.id)
    text = f"a new coordinator found {attempt.replica} at work on {name_of(attempt)} and lets it go on"
    data = {"attempt": attempt.id, "replica": attempt.replica}
    await insist(store.add_event, attempt.job_id, EventKind.ATTEMPT_REATTACHED, text, data)
    follower.go_on(member, attempt)
