"""Whose fault a failure is, and what follows from it."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.jobs.records import FailureKind
from farm.scheduling.ledger import Ledger
from farm.scheduling.troubles import FREE_LOSSES, could_take
from farm.scheduling.verdicts import Again, End, Ended, Fails, Pause, Quarantine, Rest, Verdict
from farm.scheduling.view import FarmView, JobView, Needs, SeatState, SeatView, TaskView

TASK, INPUT, REPLICA = FailureKind.TASK, FailureKind.INPUT, FailureKind.REPLICA
PLUGIN = FailureKind.PLUGIN
RESOURCES, LOST, DEVICE = FailureKind.RESOURCES, FailureKind.LOST, FailureKind.DEVICE
NEVER_STARTED, INTERRUPTION = FailureKind.NEVER_STARTED, FailureKind.INTERRUPTION


class Story:
    """A farm of ``seats`` to which things happen, one a second. Tasks are ``<job>.<name>``."""

    def __init__(self, *seats: str) -> None:
        self.seats, self.ledger, self.now = set(seats), Ledger(), 0.0

    def goes(
        self, task: str, seat: str, kind: FailureKind | None, message: str = "boom", *, model: bool = True
    ) -> Verdict:
        self.now += 1
        ended = Ended(task, task[0], seat, seat, kind, self.now, message if kind else "", model)
        return self.ledger.settle(ended, self.seats)


# Tasks


def test_same_seat_counts_once_and_three_seats_fail_the_task() -> None:
    story = Story("a", "b", "c", "d")
    for seat in "aaab":
        verdict = story.goes("j.t", seat, TASK)
        assert isinstance(verdict.task, Again)
    assert verdict.task.avoid == {"a", "b"}
    assert story.goes("j.t", "c", TASK).task == Fails("failed 5 times on 3 replicas: boom")


def test_an_export_says_nothing_for_a_device() -> None:
    """It takes no model, so a broken card does it well; three other failures are three failures all the same."""
    story = Story("a", "b")
    story.goes("j.t", "a", TASK)
    story.goes("k.export", "a", None, model=False)
    assert not story.ledger.proven("a", model=False)
    story.goes("k.t", "a", TASK)
    assert isinstance(story.goes("l.t", "a", TASK).seat, Quarantine)
    story.goes("m.export", "a", None, model=False)
    assert "a" in story.ledger.quarantined
    story.goes("m.t", "a", None)
    assert "a" not in story.ledger.quarantined and story.ledger.proven("a", model=True)


def test_a_seat_is_proven_by_what_it_finished_last_and_not_by_having_done_nothing() -> None:
    story = Story("a", "b")
    assert not story.ledger.proven("a", model=False)
    story.goes("j.export", "a", None, model=False)
    assert story.ledger.proven("a", model=False) and not story.ledger.proven("a", model=True)
    story.goes("j.t", "a", None)
    assert story.ledger.proven("a", model=True)
    story.goes("k.t", "a", TASK)
    assert not story.ledger.proven("a", model=True)


def test_an_export_says_much_for_who_failed_exports() -> None:
    story = Story("a", "b")
    for job in "jkl":
        story.goes(f"{job}.export", "a", TASK, model=False)
    assert "a" in story.ledger.quarantined
    story.goes("m.export", "a", None, model=False)
    assert "a" not in story.ledger.quarantined


def test_only_seat_fails_a_task_after_three_tries() -> None:
    story = Story("a")
    verdicts = [story.goes("j.t", "a", TASK).task for _ in range(3)]
    assert verdicts == [Again(1), Again(2), Fails("failed 3 times: boom")]


def test_two_seats_share_the_three_tries() -> None:
    story = Story("a", "b")
    assert story.goes("j.t", "a", TASK).task == Again(1, frozenset("a"))
    assert story.goes("j.t", "b", TASK).task == Again(2)
    assert isinstance(story.goes("j.t", "a", TASK).task, Fails)


def test_task_whose_other_seats_went_away_is_not_left_waiting() -> None:
    story = Story("a", "b")
    story.goes("j.t", "a", TASK)
    assert story.ledger.avoid("j.t", {"a", "b"}) == {"a"}
    assert story.ledger.avoid("j.t", {"a"}) == frozenset()


def test_task_that_always_comes_back_to_one_seat_ends_all_the_same() -> None:
    story = Story("a", "b")
    verdicts = [story.goes("j.t", "a", TASK).task for _ in range(9)]
    assert isinstance(verdicts[-1], Fails) and not any(isinstance(verdict, Fails) for verdict in verdicts[:-1])


def test_unusable_input_fails_at_once_and_is_nobodys_fault() -> None:
    story = Story("a", "b")
    for job in "jklm":
        assert story.goes(f"{job}.t", "a", INPUT, "not an image") == Verdict(Fails("not an image"))
        assert story.goes(f"{job}.e", "a", PLUGIN, "it burst") == Verdict(Fails("it burst"))


def test_interruptions_never_count() -> None:
    story = Story("a", "b")
    assert all(story.goes("j.t", "a", INTERRUPTION) == Verdict(Again(story.now)) for _ in range(50))
    assert not story.ledger.quarantined


@pytest.mark.parametrize("kind", [LOST, DEVICE])
def test_deaths_are_free_at_first_and_then_the_tasks_own(kind: FailureKind) -> None:
    story = Story("a")
    verdicts = [story.goes("j.t", "a", kind) for _ in range(FREE_LOSSES + 3)]
    assert [verdict.charges for verdict in verdicts] == [0, 0, 0, 0, 0, 1, 2, 3]
    assert isinstance(verdicts[-1].task, Fails)


def test_task_that_never_starts_backs_off_up_to_a_minute() -> None:
    story = Story("a")
    waits = []
    for _ in range(12):
        verdict = story.goes("j.t", "a", NEVER_STARTED)
        assert isinstance(verdict.task, Again) and verdict.charges == 0
        waits.append(verdict.task.not_before - story.now)
    assert waits[:3] == [0.5, 1, 2] and waits == sorted(waits) and waits[-1] == 60


def test_damaged_input_is_made_again_and_counts_against_nobody() -> None:
    assert Story("a", "b").goes("j.t", "a", FailureKind.DAMAGED) == Verdict(Again(1))


# Jobs


def test_resources_are_sought_elsewhere_before_the_job_is_paused() -> None:
    story = Story("a", "b")
    first = story.goes("j.t", "a", RESOURCES, "disk full.")
    assert first.job is None and first.task == Again(1, frozenset("a")) and first.seat == Rest(1.5, "disk full.")
    assert story.goes("j.t", "b", RESOURCES, "disk full.").job == Pause(
        "disk full. Mend this, then go on with the job."
    )


def test_seat_on_which_the_task_dies_does_not_keep_its_job_from_being_paused() -> None:
    story = Story("a", "b", "c")
    story.goes("j.t", "a", LOST)
    story.goes("j.t", "b", RESOURCES)
    assert story.goes("j.t", "c", RESOURCES).job is not None


def test_only_seat_has_to_lack_resources_twice_in_a_row() -> None:
    story = Story("a")
    assert story.goes("j.t", "a", RESOURCES).job is None
    assert story.goes("j.t", "a", TASK).job is None
    assert story.goes("j.t", "a", RESOURCES).job is None
    assert story.goes("j.t", "a", LOST).job is None
    assert story.goes("j.t", "a", RESOURCES).job is not None


def test_job_is_not_paused_for_what_a_quarantined_seat_lacks() -> None:
    story = Story("a", "b")
    story.goes("j.t", "a", REPLICA)
    story.goes("k.t", "a", REPLICA)
    assert set(story.ledger.quarantined) == {"a"}
    assert story.goes("j.t", "a", REPLICA).job is None
    assert story.goes("j.t", "b", REPLICA).job is None
    assert story.goes("j.t", "b", REPLICA).job is not None


# Seats


def test_seat_that_fails_three_tasks_of_two_jobs_is_quarantined_and_its_failures_forgiven() -> None:
    story = Story("a", "b")
    assert story.goes("j.1", "a", TASK).charges == 1
    assert story.goes("j.2", "a", TASK).seat is None
    verdict = story.goes("k.1", "a", TASK)
    assert verdict.seat == Quarantine("it failed 3 tasks of 2 jobs in a row: boom", 63)
    assert verdict.charges == story.ledger.charged("j.1", story.seats) == 0


def test_three_tasks_of_one_job_may_be_the_jobs_own_fault() -> None:
    story = Story("a", "b")
    assert all(story.goes(f"j.{n}", "a", TASK).seat is None for n in range(9))


def test_seat_is_quarantined_once_others_finished_what_it_failed() -> None:
    story = Story("a", "b")
    story.goes("j.1", "a", TASK)
    story.goes("j.2", "a", TASK)
    assert story.goes("j.1", "b", None).others == {}
    others = story.goes("j.2", "b", None).others
    assert others == {"a": Quarantine("it failed 2 tasks in a row that other replicas finished: boom", 64)}


def test_success_in_between_clears_a_seat() -> None:
    story = Story("a", "b")
    for job in "jklmn":
        assert story.goes(f"{job}.1", "a", TASK).seat is None
        story.goes(f"{job}.2", "a", None)


def test_replica_that_can_not_work_twice_in_a_row_is_quarantined() -> None:
    story = Story("a", "b")
    assert story.goes("j.1", "a", REPLICA).seat == Rest(1.5, "boom")
    assert isinstance(story.goes("j.2", "a", REPLICA).seat, Quarantine)


def test_what_fails_everywhere_is_the_tasks_fault() -> None:
    story = Story("a", "b")
    for job in "jklm":
        for seat in "aba":
            verdict = story.goes(f"{job}.t", seat, TASK)
            assert verdict.seat is None
        assert isinstance(verdict.task, Fails)
    assert not story.ledger.quarantined


def test_quarantine_is_lifted_when_the_tasks_fail_elsewhere_too() -> None:
    story = Story("a", "b")
    for job in "jkl":
        story.goes(f"{job}.t", "a", TASK)
    assert set(story.ledger.quarantined) == {"a"}
    assert story.goes("j.t", "b", TASK).others == {"a": None}
    assert not story.ledger.quarantined


def test_probes_come_later_each_time_and_one_success_forgives() -> None:
    story = Story("a", "b")
    story.goes("j.1", "a", REPLICA)
    story.goes("k.1", "a", REPLICA)
    waits = []
    for n in range(8):
        seat = story.goes(f"l.{n}", "a", TASK).seat
        assert isinstance(seat, Quarantine) and seat.probes == n + 1
        waits.append(seat.probe_at - story.now)
    assert waits == [120, 240, 480, 960, 1800, 1800, 1800, 1800]
    assert story.goes("l.9", "a", None).others == {"a": None}
    assert story.goes("l.10", "a", TASK).seat is None


def test_interrupted_probe_says_nothing() -> None:
    story = Story("a", "b")
    story.goes("j.1", "a", REPLICA)
    story.goes("k.1", "a", REPLICA)
    before = story.ledger.quarantined["a"]
    story.goes("j.1", "a", INTERRUPTION)
    assert story.ledger.quarantined["a"] == before


def test_only_seat_rests_instead_with_the_reason() -> None:
    story = Story("a")
    for n in range(3):
        seat = story.goes(f"{'jkk'[n]}.{n}", "a", TASK).seat
    assert seat == Rest(5, "it failed 3 tasks of 2 jobs in a row: boom")


def test_last_seat_in_good_standing_is_not_quarantined() -> None:
    story = Story("a", "b")
    for seat in "ab":
        for n in range(3):
            story.goes(f"{'jkk'[n]}.{seat}{n}", seat, TASK)
    assert set(story.ledger.quarantined) == {"a"}


def test_device_error_ends_the_process_and_counts_against_the_seat() -> None:
    story = Story("a", "b")
    first = story.goes("j.1", "a", DEVICE, "illegal access")
    assert first.seat == End("illegal access", Rest(1.5, "illegal access")) and first.charges == 0
    story.goes("j.2", "a", DEVICE)
    last = story.goes("k.1", "a", DEVICE)
    assert isinstance(last.seat, End) and isinstance(last.seat.then, Quarantine)


def test_rests_double_up_to_a_minute() -> None:
    story = Story("a")
    rests = []
    for n in range(10):
        seat = story.goes(f"j.{n}", "a", RESOURCES).seat
        assert isinstance(seat, Rest)
        rests.append(seat.until - story.now)
    assert rests == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_job_that_starts_again_starts_without_failures() -> None:
    story = Story("a")
    for _ in range(3):
        story.goes("j.t", "a", TASK)
    story.ledger.forget_job("j")
    assert story.goes("j.t", "a", TASK).task == Again(4)


def test_mended_seat_is_trusted_again() -> None:
    story = Story("a", "b")
    story.goes("j.1", "a", REPLICA)
    story.goes("k.1", "a", REPLICA)
    story.ledger.forget_seat("a")
    assert not story.ledger.quarantined
    assert isinstance(story.goes("k.2", "a", REPLICA).seat, Rest)


def test_seats_that_could_take_a_task_are_there_and_fit() -> None:
    view = FarmView()
    for state in SeatState:
        view.put_seat(SeatView(state, state=state, memory=24))
    view.put_seat(SeatView("small", memory=12))
    task = TaskView("j.t", "j", needs=Needs(memory=20), failed_on=frozenset({"ready"}))
    assert could_take(task, JobView("j"), view) == {"ready", "resting", "quarantined"}


# Whole farms


@dataclass
class Farm:
    """Seats that fail in their own way, tasks that fail in theirs; what starts and ends next is drawn at random."""

    sick: dict[str, list[FailureKind]]
    jobs: dict[str, int]
    broken: dict[str, FailureKind]
    rng: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    now: float = 0.0
    rows: list[Ended] = field(default_factory=list)
    running: dict[str, str] = field(default_factory=dict)
    rests: dict[str, float] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)
    ever_quarantined: set[str] = field(default_factory=set)

    def run(self, most: int) -> int:
        """Attempts until every job has ended; they must not be more than ``most``."""
        self.waits = {f"{job}.{n}": 0.0 for job, count in self.jobs.items() for n in range(count)}
        while self.waits or self.running:
            starts = self._possible_starts()
            if starts and (not self.running or self.rng.random() < 0.6):
                task, seat = self.rng.choice(starts)
                del self.waits[task]
                self.running[seat] = task
            elif self.running:
                self.now += self.rng.random()
                self._end(self.rng.choice(sorted(self.running)))
            else:
                self.now = min(at for at in self._moments() if at > self.now)
            assert len(self.rows) <= most
        return len(self.rows)

    def _possible_starts(self) -> list[tuple[str, str]]:
        free = [seat for seat in self.sick if seat not in self.running and self._asked_at(seat) <= self.now]
        return [
            (task, seat)
            for task, at in self.waits.items()
            if at <= self.now
            for seat in free
            if seat not in self.ledger.avoid(task, self.sick.keys())
        ]

    def _asked_at(self, seat: str) -> float:
        quarantine = self.ledger.quarantined.get(seat)
        return quarantine.probe_at if quarantine else self.rests.get(seat, 0.0)

    def _moments(self) -> list[float]:
        return [*self.waits.values(), *map(self._asked_at, self.sick)]

    def _end(self, seat: str) -> None:
        task = self.running.pop(seat)
        job = task[0]
        kind = self.rng.choice(self.sick[seat]) if self.sick[seat] else self.broken.get(task)
        self.rows.append(Ended(task, job, seat, seat, kind, self.now))
        verdict = self.ledger.settle(self.rows[-1], self.sick.keys())
        self.ever_quarantined |= self.ledger.quarantined.keys()
        self.charges[task] = max(verdict.charges, self.charges.get(task, 0))
        if isinstance(verdict.task, Again) and job not in self.states:
            self.waits[task] = verdict.task.not_before
        then = verdict.seat.then if isinstance(verdict.seat, End) else verdict.seat
        if isinstance(then, Rest):
            self.rests[seat] = then.until
        if isinstance(verdict.task, Fails) or verdict.job:
            self.states.setdefault(job, "paused" if verdict.job else "failed")
            self.waits = {task: at for task, at in self.waits.items() if task[0] != job}


COUNTED = [TASK, LOST, REPLICA, RESOURCES, DEVICE]
KINDS = st.lists(st.sampled_from([*COUNTED, NEVER_STARTED]), min_size=1)
SICK = st.lists(st.one_of(st.just([]), st.lists(st.sampled_from(COUNTED), min_size=1)), min_size=1, max_size=4)
"""How each seat fails. What never counts, such as an attempt that never started, may go on for ever."""
JOBS = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(lambda sizes: dict(zip("jklmn", sizes, strict=False)))
RANDOM = st.integers().map(random.Random)


@settings(max_examples=60, deadline=None)
@given(KINDS, JOBS, st.integers(1, 3), RANDOM)
def test_every_job_completes_beside_one_sick_seat(
    kinds: list[FailureKind], jobs: dict[str, int], healthy: int, rng: random.Random
) -> None:
    farm = Farm({"sick": kinds, **{f"healthy{n}": [] for n in range(healthy)}}, jobs, {}, rng)
    farm.run(most=2 * sum(jobs.values()))
    assert not farm.states and farm.ever_quarantined <= {"sick"}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), JOBS, st.sampled_from([TASK, INPUT]), RANDOM)
def test_broken_task_fails_its_job_alone_and_no_healthy_seat_is_quarantined(
    seats: int, jobs: dict[str, int], kind: FailureKind, rng: random.Random
) -> None:
    farm = Farm({f"s{n}": [] for n in range(seats)}, jobs, {"j.0": kind}, rng)
    farm.run(most=sum(jobs.values()) + 2)
    assert farm.states == {"j": "failed"} and not farm.ever_quarantined
    assert farm.charges["j.0"] <= 3


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), JOBS, RANDOM)
def test_broken_jobs_fail_and_the_others_complete(seats: int, jobs: dict[str, int], rng: random.Random) -> None:
    """Many broken ones at once may look like a sick seat for a while; it is probed, and nobody else suffers."""
    broken = {f"{job}.{n}": TASK for job, count in list(jobs.items())[:3] for n in range(count)}
    farm = Farm({f"s{n}": [] for n in range(seats)}, {**jobs, "z": 5}, broken, rng)
    farm.run(most=12 * sum(farm.jobs.values()))
    assert farm.states == dict.fromkeys({task[0] for task in broken}, "failed")


@settings(max_examples=60, deadline=None)
@given(SICK, JOBS, st.sets(st.integers(0, 29)), RANDOM)
def test_everything_ends_whoever_is_sick(
    sick: list[list[FailureKind]], jobs: dict[str, int], broken: set[int], rng: random.Random
) -> None:
    names = [f"{job}.{n}" for job, count in jobs.items() for n in range(count)]
    farm = Farm(
        {f"s{n}": kinds for n, kinds in enumerate(sick)},
        jobs,
        {name: rng.choice([TASK, LOST, DEVICE, RESOURCES, INPUT]) for n, name in enumerate(names) if n in broken},
        rng,
    )
    farm.run(most=30 * len(names))


@settings(max_examples=60, deadline=None)
@given(SICK, JOBS, RANDOM)
def test_restart_judges_as_before(sick: list[list[FailureKind]], jobs: dict[str, int], rng: random.Random) -> None:
    farm = Farm({f"s{n}": kinds for n, kinds in enumerate(sick)}, jobs, {}, rng)
    farm.run(most=30 * sum(jobs.values()))
    assert Ledger.from_rows(farm.rows, farm.sick.keys()).quarantined == farm.ledger.quarantined
