"""A worker that does everything a farm does to a job, at random: also a program that a test can kill at any moment."""

import random
import sys

from farm.errors import ConflictError
from farm.jobs.records import FailureKind
from farm.store.jobs import JobStore
from tests.support.jobs import made

COMMANDS = ("cancel", "pause", "resume", "resume", "retry", "retry")


def churn(store: JobStore, replica: str, seed: int, steps: int) -> dict[str, int]:
    """Do ``steps`` random things to the store's jobs; returns how many were done and how many refused."""
    chance = random.Random(seed)
    held: list[tuple[str, str]] = []
    tally = {"done": 0, "refused": 0}
    jobs = [job.id for job in store.list_jobs()[0]]
    for _ in range(steps):
        action = chance.choices(("start", "progress", "commit", "fail", "command"), (10, 4, 9, 2, 1))[0]
        try:
            if action == "start":
                offered = store.ready_tasks(limit=8)
                if offered:
                    task = chance.choice(offered)[0]
                    held.append((store.start_attempt(task.id, replica).id, task.name))
            elif action == "command":
                getattr(store, f"{chance.choice(COMMANDS)}_job")(chance.choice(jobs))
            elif held:
                attempt_id, name = chance.choice(held)
                if action == "progress":
                    store.report_progress(attempt_id, chance.randint(1, 25), 25)
                elif action == "commit":
                    store.commit_attempt(attempt_id, [made(f"out-{name}")])
                else:
                    store.fail_attempt(attempt_id, chance.choice(list(FailureKind)), "chance")
            tally["done"] += 1
        except ConflictError:
            tally["refused"] += 1
    return tally


if __name__ == "__main__":
    churn(JobStore(sys.argv[1]), sys.argv[2], int(sys.argv[3]), 1_000_000)
