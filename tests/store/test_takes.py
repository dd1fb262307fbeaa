"""The tree of a video's takes."""

from uuid import uuid4

from farm.jobs.records import Job
from farm.store.jobs import JobStore
from tests.support.jobs import made, submit


def take_of(store: JobStore, parent: Job) -> Job:
    job_id = uuid4().hex
    tasks = [
        type(task)(f"{job_id}.{task.name}", job_id, task.name, task.kind, task.section, task.dependencies)
        for task in store.tasks(parent.id)
    ]
    return store.create_job(
        parent.request, "", tasks, [made("image")], order=parent.job_order, parent=parent.id, kept=[0], job_id=job_id
    )


def test_each_take_knows_the_whole_family(store: JobStore):
    first, alone = submit(store), submit(store)
    second, third = take_of(store, first), take_of(store, first)
    fourth = take_of(store, second)
    family = [job.id for job in (first, second, third, fourth)]
    for job in (first, second, third, fourth):
        assert [each.id for each in store.family(job.id)] == family
    assert [job.id for job in store.family(alone.id)] == [alone.id]


def test_family_of_a_take_whose_parent_was_deleted_begins_with_it(store: JobStore):
    first = submit(store)
    second = take_of(store, first)
    third = take_of(store, second)
    store.cancel_job(first.id)
    store.delete_job(first.id)
    assert [job.id for job in store.family(third.id)] == [second.id, third.id]
