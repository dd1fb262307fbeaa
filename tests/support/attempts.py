"""One attempt, followed as a coordinator does, beside a replica that answers in this process."""

import asyncio
from typing import Any

from farm.cluster.board import Board
from farm.cluster.commits import Commits
from farm.cluster.devices import Slot
from farm.cluster.following import Follower
from farm.cluster.members import Held, Member, Members
from farm.cluster.replica import Outcome
from farm.jobs.records import Attempt, Job
from farm.store.artifacts import ArtifactStore

from .farms import Farm


class Call:
    """A method of an actor that answers in this process, or raises."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.calls = list(answers), 0

    def remote(self, *args: Any) -> Any:
        async def result() -> Any:
            self.calls += 1
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return asyncio.ensure_future(result())


class Handle:
    """A replica as the coordinator sees it."""

    def __init__(self, *outcomes: Any) -> None:
        self.start, self.cancel, self.acknowledge = Call(None), Call(None), Call(None)
        self.wait = Call(*outcomes)


class Settled:
    """One attempt at ``encode``, followed to its end."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.job: Job = farm.job()
        self.attempt: Attempt = farm.store.start_attempt(f"{self.job.id}.encode", "r1")

    def follow(self, handle: Handle, artifacts: ArtifactStore | None = None) -> Member:
        async def run() -> Member:
            store, board = self.farm.store, Board()
            members = Members(self.farm.settings, store, None, nothing, lambda: None)
            commits = Commits(store, lambda: None)
            follower = Follower(store, artifacts or self.farm.artifacts, board, members, commits, lambda jobs: None)
            member = Member("r1", Slot("n", "cpu", "CPU"), handle, ready=True, running=Held(self.attempt.id))
            board.put_seat(member.seat())
            followed = asyncio.ensure_future(follower.follow(member, self.attempt))
            while not followed.done():  # as the coordinator's rounds do
                await commits.take_over(lambda jobs: None)
                commits.tell()
                await asyncio.wait([followed], timeout=0.01)
            await followed
            return member

        async def nothing() -> str:
            return ""

        return asyncio.run(run())

    @property
    def ended(self) -> Attempt:
        return next(a for a in self.farm.store.attempts(self.job.id) if a.id == self.attempt.id)


def outcome(settled: Settled, **values: Any) -> Outcome:
    from farm.work.specs import spec_for

    task = settled.farm.store.tasks(settled.job.id)[0]
    spec = spec_for(settled.job, task, settled.attempt, settled.farm.store.artifacts(settled.job.id))
    return Outcome(spec, **values)
