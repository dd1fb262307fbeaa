"""What the coordinator knows of a replica, and what scheduling sees of it."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from farm.cluster.board import Board
from farm.cluster.devices import NO_MODEL, DeviceFacts, Slot, beside_cards, chosen, slots_of
from farm.cluster.looking import look_at
from farm.cluster.members import Held, Member, Members
from farm.cluster.progress import Progress
from farm.jobs.records import TaskKind
from farm.scheduling.nodes import Standing
from farm.scheduling.records import Hold, JobView, Needs, SeatState, TaskView
from farm.scheduling.verdicts import Quarantine, Rest
from farm.settings import Settings
from farm.store.jobs import JobStore
from tests.support.attempts import Call

SLOT = Slot("n", "cpu", "CPU")
TASK = TaskView("j.section-000", "j", TaskKind.SECTION, Needs("puppet"), work=1.0)


def member(**values: object) -> Member:
    return Member("r", SLOT, None, **{"ready": True, **values})  # type: ignore[arg-type]


def held(attempt: str = "a", began: float | None = None) -> Held:
    moment = time.monotonic() if began is None else began
    return Held(attempt, Hold(TASK.id, TASK.job_id, moment + 1, TASK), moment, moment)


@pytest.mark.parametrize(
    ("values", "state", "seat"),
    [
        ({"ready": False}, "starting", SeatState.STARTING),
        ({}, "idle", SeatState.READY),
        ({"unanswered": 1}, "idle", SeatState.STARTING),
        ({"running": Held("a")}, "busy", SeatState.READY),
        ({"running": Held("a", unwanted="cancelled")}, "busy", SeatState.DRAINING),
        ({"running": Held("a"), "unanswered": 1}, "busy", SeatState.DRAINING),
        ({"standing": Standing(takes=False)}, "draining", SeatState.DRAINING),
        ({"standing": Standing(takes=False), "running": Held("a")}, "busy", SeatState.DRAINING),
        ({"trouble": Rest(1e12, "hot")}, "resting", SeatState.RESTING),
        ({"trouble": Rest(0.0)}, "idle", SeatState.READY),
        ({"trouble": Quarantine("sick", 1e12)}, "quarantined", SeatState.QUARANTINED),
        ({"trouble": Quarantine("sick", 0.0)}, "idle", SeatState.READY),
    ],
)
def test_its_state_and_what_it_may_get(values: dict[str, object], state: str, seat: SeatState) -> None:
    found = member(**values)
    assert (found.state, found.seat().state) == (state, seat)


def test_what_comes_next_runs_when_the_first_is_done() -> None:
    one = member(running=held("a"), ahead=held("b"))
    assert one.attempts == ["a", "b"] and one.attempt == "a"
    one.release("a")
    assert one.attempt == "b" and one.ahead is None
    one.release("x")
    one.release("b")
    assert one.attempts == []


class TestSilence:
    @pytest.fixture
    def members(self, tmp_path: Path) -> Members:
        async def nothing() -> str:
            return ""

        settings = Settings.for_home(tmp_path)
        return Members(settings, JobStore(settings.database_url), None, nothing, lambda: None)

    def look(self, members: Members, one: Member) -> str:
        board = Board()
        board.view.put_job(JobView("j"))
        board.put_seat(one.seat())
        members._members[one.id] = one
        members.watch(board)
        return one.ending

    def test_a_hung_attempt_ends_its_process(self, members: Members) -> None:
        one = member(running=held(began=time.monotonic() - 500), loaded=frozenset({"puppet"}))
        assert "showed no progress for 500 s" in self.look(members, one)

    def test_what_an_earlier_coordinator_gave_has_the_longest_time(self, members: Members) -> None:
        """It was taken over without what scheduling knew of it; for ever is too long all the same."""
        now = time.monotonic()
        assert self.look(members, member(running=Held("a", began=now - 1700, heard=now - 1700))) == ""
        assert "showed no progress" in self.look(members, member(running=Held("a", began=now - 1900, heard=now - 1900)))

    def test_one_that_speaks_goes_on(self, members: Members) -> None:
        one = member(running=held(began=time.monotonic() - 500), loaded=frozenset({"puppet"}))
        members._members[one.id] = one
        Progress(members._store, members).hear("a", 3, 25)
        assert self.look(members, one) == ""

    def test_loading_a_model_takes_its_time(self, members: Members) -> None:
        assert self.look(members, member(running=held(began=time.monotonic() - 100))) == ""


@pytest.mark.parametrize("taken", [False, True])
def test_a_replica_that_does_not_answer_a_new_coordinator_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """Until then it gets nothing; its seat may be another's when it answers, who keeps it."""
    settings = Settings.for_home(tmp_path)
    settings.ensure_home()
    store = JobStore(settings.database_url)
    store.migrate()
    ended: list[object] = []

    async def nothing() -> str:
        return ""

    async def found() -> Members:
        handle = SimpleNamespace(describe=Call(TimeoutError(), (SLOT, 7)))
        members = Members(settings, store, None, nothing, lambda: None)
        members.actors = SimpleNamespace(  # type: ignore[assignment]
            replicas=lambda: ["late"], find=lambda name: handle, end=ended.append, nodes=list
        )
        ((late, holding),) = await members.find()
        assert holding is None and late.seat().state is SeatState.STARTING
        if taken:
            members._members["other"] = Member("other", SLOT, None, ready=True)
        members._next_start = float("inf")
        await members.sweep()
        await asyncio.sleep(0.2)
        return members

    left = asyncio.run(found()).all()
    assert [(one.id, one.slot) for one in left] == [("other" if taken else "late", SLOT)]
    assert bool(ended) is taken and not left[0].unanswered


def test_a_look_that_somebody_asks_for_comes_soon_but_not_twice(tmp_path: Path) -> None:
    async def nothing() -> str:
        return ""

    settings = Settings.for_home(tmp_path)
    members, now = Members(settings, JobStore(settings.database_url), None, nothing, lambda: None), time.monotonic()
    members._swept, members._next_sweep = now - 1, now + 60
    assert not members.sweep_due
    members.look()
    assert members.sweep_due
    members._swept, members._next_sweep = now + 30, now + 60
    members.look()
    assert not members.sweep_due


def node(name: str, **resources: float) -> dict[str, object]:
    return {"NodeID": name, "Alive": True, "Resources": {"memory": 64e9, **resources}, "Labels": {}}


def test_a_node_with_gpus_has_a_core_for_exports() -> None:
    *gpus, rest = slots_of(node("n", GPU=2, CPU=8))
    assert [slot.place for slot in gpus] == ["n/cuda-0", "n/cuda-1"] and rest.place == "n/cpu-export-0"
    assert rest.kinds == NO_MODEL and all(TaskKind.EXPORT not in slot.kinds for slot in gpus)
    assert slots_of({**node("n", GPU=2, CPU=8), "Alive": False}) == []


def test_places_stay_the_same_whatever_order_nodes_come_in() -> None:
    nodes = [node("b", CPU=2), node("a", CPU=2), node("c", GPU=1, CPU=4)]

    def wanted(nodes: list[dict[str, object]], most: int | None, taken: tuple[str, ...] = ()) -> list[Slot]:
        return chosen([slot for one in nodes for slot in slots_of(one)], most, taken)

    first = wanted(nodes, 3)
    assert first == wanted(nodes[::-1], 3)
    assert [slot.place for slot in first] == ["a/cpu-0", "a/cpu-1", "b/cpu-0"]
    assert len(wanted(nodes, None)) == 6
    kept = wanted([*nodes, node("0", CPU=2)], 3, tuple(slot.place for slot in first))
    assert kept == first, "a node that joins takes nobody's place under --replicas"


def test_what_a_card_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    found = SimpleNamespace(total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: found)
    monkeypatch.setattr("model.device.product_speed", lambda device, dtype: 790.0 if dtype == torch.bfloat16 else 60.0)
    known = DeviceFacts("NVIDIA H100", 79 * 10**9, "9.0", ("bf16", "fp16", "fp32", "fp8"), 790.0)
    assert look_at("cuda", 1.0) == known
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    turing = look_at("cuda", 1.0)
    assert (turing.dtypes, turing.tflops) == (("fp16", "fp32", "fp8"), 60.0) and look_at("cpu", 1.0).dtypes == ("fp32",)
    seat = Member("r", Slot("n", "cuda", "H100"), None, ready=True, facts=look_at("cuda", 1.0)).seat()
    assert (seat.memory, seat.on_cpu) == (79e9, False)

    def broken(device: object) -> None:
        raise RuntimeError("no CUDA-capable device is detected")

    monkeypatch.setattr(torch.cuda, "get_device_capability", broken)
    assert look_at("cuda", 1.0) == DeviceFacts()
    assert Member("r", Slot("n", "cuda", "H100"), None).seat().memory == float("inf"), "nobody knows"


def test_a_kind_of_card_that_multiplies_slower_is_taken_for_slower_before_it_has_rendered() -> None:
    cards = [("H100", 790.0), ("H100", 800.0), ("L4", 0.0), ("RTX-4090", 160.0), ("A100", 600.0)]
    assert beside_cards(cards) == {"H100": 1.0, "A100": 1.0, "RTX-4090": 0.27}
    assert beside_cards([("L4", 120.0), ("L4", 0.0)]) == {"L4": 1.0} and beside_cards([]) == {}
    slow = Member("r", Slot("n", "cuda", "RTX-4090"), None, ready=True, kind=0.27)
    assert (slow.seat().speed, slow.seat().pace) == (2.7, 1.0)
    assert Member("r", Slot("n", "cpu", "CPU"), None, kind=0.27).seat().speed == 1.0


def test_cores_of_a_node_share_its_memory() -> None:
    slots = slots_of(node("n", CPU=4), "studio-1")
    assert [(slot.memory, slot.host, slot.seat) for slot in slots[:2]] == [
        (16e9, "studio-1", "cpu-0"),
        (16e9, "studio-1", "cpu-1"),
    ]
    assert slots_of({**node("n", CPU=1), "Resources": {"CPU": 1}})[0].memory == float("inf")
