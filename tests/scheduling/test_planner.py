"""The planner's decisions."""

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from farm.jobs.graph import tasks_for
from farm.jobs.records import TaskKind
from farm.scheduling import Assignment, IdleReplica, ReadyTask, assign
from model.decoding import Decoding
from model.plan import make_plan

TASKS = st.lists(
    st.builds(
        ReadyTask,
        id=st.integers(0, 50).map("task-{}".format),
        job_id=st.sampled_from(["a", "b", "c"]),
        priority=st.integers(0, 3),
        submitted=st.floats(0, 3),
        remaining=st.integers(1, 5),
        family=st.sampled_from(["", "puppet", "framepack"]),
    ),
    unique_by=lambda task: task.id,
    max_size=20,
)
REPLICAS = st.lists(
    st.builds(
        IdleReplica,
        name=st.integers(0, 30).map("replica-{}".format),
        families=st.frozensets(st.sampled_from(["puppet", "framepack"])),
        speed=st.floats(0.1, 10),
    ),
    unique_by=lambda replica: replica.name,
    max_size=10,
)


def ready(name: str, job: str = "a", priority: int = 50, submitted: float = 0, remaining: int = 1) -> ReadyTask:
    return ReadyTask(name, job, priority, submitted, remaining)


def order_of(tasks: list[ReadyTask]) -> list[str]:
    return [made.task_id for made in assign(tasks, [IdleReplica(f"r{i:02}") for i in range(len(tasks))])]


def test_priority_comes_before_critical_path_and_age() -> None:
    old, urgent = ready("old", "a", 50, submitted=0, remaining=99), ready("urgent", "b", 51, submitted=9, remaining=1)
    assert order_of([old, urgent]) == ["urgent", "old"]


def test_longest_remaining_chain_goes_first_inside_a_job() -> None:
    assert order_of([ready("x", remaining=2), ready("y", remaining=7), ready("z", remaining=3)]) == ["y", "z", "x"]


def test_older_job_goes_first_and_its_chains_do_not_outrank_others() -> None:
    old, young = ready("old", "b", submitted=1, remaining=1), ready("young", "a", submitted=2, remaining=50)
    assert order_of([young, old]) == ["old", "young"]


def test_jobs_of_the_same_moment_are_not_interleaved() -> None:
    tasks = [ready(f"{job}{n}", job, remaining=n) for n in (1, 2, 3) for job in "ba"]
    assert order_of(tasks) == ["a3", "a2", "a1", "b3", "b2", "b1"]


def test_task_goes_where_its_model_is_loaded_then_to_the_fastest() -> None:
    task = ReadyTask("t", "a", 50, 0, 1, family="puppet")
    cold, slow = IdleReplica("cold", speed=9), IdleReplica("slow", frozenset({"puppet"}), speed=1)
    warm = IdleReplica("warm", frozenset({"puppet"}), speed=2)
    assert assign([task], [cold, slow, warm]) == [Assignment("t", "warm")]
    assert assign([task], [cold, slow]) == [Assignment("t", "slow")]
    assert assign([ready("encode")], [cold, slow, warm]) == [Assignment("encode", "cold")]


@given(TASKS, REPLICAS, st.randoms(use_true_random=False))
def test_assignment_is_full_unique_and_independent_of_argument_order(
    tasks: list[ReadyTask], replicas: list[IdleReplica], rng: random.Random
) -> None:
    made = assign(tasks, replicas)
    assert len(made) == min(len(tasks), len(replicas))
    assert len({a.task_id for a in made}) == len({a.replica for a in made}) == len(made)
    assert {a.task_id for a in made} <= {task.id for task in tasks}
    assert {a.replica for a in made} <= {replica.name for replica in replicas}
    chosen = {a.task_id for a in made}
    left_out = [task for task in tasks if task.id not in chosen]
    assert all(task.priority >= other.priority for task in tasks if task.id in chosen for other in left_out)
    rng.shuffle(tasks)
    rng.shuffle(replicas)
    assert assign(tasks, replicas) == made


def test_following_the_planner_reaches_the_plans_bound() -> None:
    """Work off a whole job on 8 replicas, one section a tick: the sections take as long as the plan says they must."""
    layout = "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td"
    plan = make_plan(layout=layout, order="bisect", seconds=60, seed=1, prompt="a")
    tasks = [task for task in tasks_for("job", plan, Decoding()) if task.kind is TaskKind.SECTION]
    remaining = {task.name: task.chain for task in tasks}
    done, ticks = {"encode"}, 0
    while len(done) <= len(tasks):
        able = [
            ready(task.name, remaining=remaining[task.name])
            for task in tasks
            if task.name not in done and done.issuperset(task.dependencies)
        ]
        done |= {made.task_id for made in assign(able, [IdleReplica(f"r{i}") for i in range(8)])}
        ticks += 1
    assert ticks == plan.makespan(8) == 10


def test_a_thousand_tasks_and_64_replicas_are_planned_quickly() -> None:
    tasks = [ready(f"t{i}", f"job{i % 20}", i % 3, i % 7, i % 11) for i in range(1000)]
    replicas = [IdleReplica(f"r{i}") for i in range(64)]
    best = min(_timed(tasks, replicas) for _ in range(5))
    assert best < 0.05


def _timed(tasks: list[ReadyTask], replicas: list[IdleReplica]) -> float:
    start = time.perf_counter()
    assert len(assign(tasks, replicas)) == 64
    return time.perf_counter() - start
