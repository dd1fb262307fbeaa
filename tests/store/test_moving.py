"""Jobs that people move in the queue."""

import pytest

from farm.cluster.board import Board
from farm.errors import ConflictError
from farm.scheduling.reasons import queue
from farm.store.jobs import JobStore
from tests.support.jobs import submit


def order(store: JobStore) -> list[str]:
    """Ids in the order in which the farm turns to them."""
    board = Board()
    board.put_jobs(store.queued())
    return list(queue(board.view))


def test_first_last_and_before_another(store: JobStore) -> None:
    a, b, c, d = (submit(store, name=name).id for name in "abcd")
    assert order(store) == [a, b, c, d]
    assert store.move_job(d, "first").name == "d"
    assert order(store) == [d, a, b, c]
    store.move_job(c, b, [d, a])
    assert order(store) == [d, a, c, b]
    store.move_job(d, "last")
    assert order(store) == [a, c, b, d]
    e = submit(store, name="e").id
    assert order(store) == [a, c, b, e, d], "what comes in takes its turn, but for what was moved to the end"
    store.move_job(b, a, [])
    assert order(store) == [b, a, c, e, d]
    assert "moved before a" in store.events(b)[-1].message


def test_it_takes_on_the_priority_of_where_it_goes(store: JobStore) -> None:
    urgent, plain = submit(store, priority=90).id, submit(store).id
    assert store.move_job(plain, urgent).priority == 90 and order(store) == [plain, urgent]
    low = submit(store, priority=10).id
    assert store.move_job(low, "first").priority == 90 and order(store) == [low, plain, urgent]
    assert store.move_job(low, "last").priority == 90 and order(store) == [plain, urgent, low]


def test_only_among_an_owners_jobs_that_have_not_ended(store: JobStore) -> None:
    mine, other, ended = submit(store, owner="ann").id, submit(store, owner="ben").id, submit(store, owner="ann").id
    store.cancel_job(ended)
    with pytest.raises(ConflictError, match="is ben's"):
        store.move_job(mine, other)
    for job, to in ((mine, ended), (ended, "first")):
        with pytest.raises(ConflictError, match="is cancelled"):
            store.move_job(job, to)
