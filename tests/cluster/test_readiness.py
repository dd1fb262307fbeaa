"""What a new replica goes through before it gets work."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from farm.cluster import readiness
from farm.cluster.devices import NO_MODEL, Slot
from farm.cluster.member import Member
from farm.cluster.nodes import Nodes
from farm.cluster.readiness import Readiness
from farm.cluster.reports import Reports
from farm.jobs.assets import NodeReport, model_asset
from farm.jobs.records import FailureKind
from farm.work.failures import Failure
from tests.support.attempts import Call

REPORT = NodeReport(frozenset({model_asset("puppet", "5ha")}))
BROKEN = Failure(FailureKind.REPLICA, "device 'cuda' can't be used")
SLOT = Slot("n", "cpu", "CPU", host="studio-1")


@dataclass
class Greeted:
    """A replica that answers so, and what was done with it. ``ready``: whether it got there."""

    unfit: tuple[Any, ...] = ("",)
    look_around: tuple[Any, ...] = (REPORT,)
    warm: tuple[Any, ...] = (None,)
    slot: Slot = SLOT
    ready: bool = False
    removed: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    failed: list[tuple[str, str, Failure]] = field(default_factory=list)

    def greet(self, farm: str = "farm-1") -> Member:
        handle = SimpleNamespace(unfit=Call(*self.unfit), look_around=Call(*self.look_around), warm=Call(*self.warm))
        member = Member("r", self.slot, handle)

        async def remove(one: Member, why: str) -> None:
            one.gone = True
            self.removed.append(why)

        async def puppet() -> str:
            return "puppet"

        async def greet() -> None:
            tried = Readiness(
                lambda: farm,
                puppet,
                Reports(Nodes(None)),  # type: ignore[arg-type]
                remove,
                lambda one, why: self.blamed.append(why),
                lambda: None,
                lambda family, device, seconds: self.loads.append(family),
                lambda *told: self.failed.append(told),
            )
            self.ready = await tried.reached(member)

        asyncio.run(greet())
        return member


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LOOK_AGAIN_SECONDS", 0.0)


def test_one_that_sees_all_and_has_loaded_its_model_is_ready() -> None:
    greeted = Greeted()
    member = greeted.greet()
    assert greeted.ready and member.loaded == {"puppet"} and greeted.loads == ["puppet"]


def test_one_that_does_not_see_the_artifacts_is_told_of_and_asked_again() -> None:
    greeted = Greeted(unfit=("it sees another farm's artifacts", ""))
    member = greeted.greet()
    assert greeted.ready and greeted.blamed == ["it sees another farm's artifacts"] and member.unfit == ""


@pytest.mark.parametrize("question", ["unfit", "look_around", "warm"])
def test_one_that_dies_meanwhile_is_removed(question: str) -> None:
    greeted = Greeted(**{question: (ActorDiedError(),)})
    greeted.greet()
    assert not greeted.ready and len(greeted.removed) == 1


def test_one_that_only_writes_videos_loads_nothing() -> None:
    greeted = Greeted(slot=Slot("n", "cpu", "CPU", 0, NO_MODEL, "studio-1"))
    greeted.greet()
    assert greeted.ready and not greeted.loads


def test_one_that_cannot_load_what_its_node_has_is_told_of_before_it_gets_work() -> None:
    greeted = Greeted(warm=(BROKEN,))
    member = greeted.greet()
    assert greeted.ready and not member.loaded and not greeted.loads
    assert greeted.failed == [("n/cpu-0", "puppet", BROKEN)]
    assert greeted.blamed == ["loading puppet: device 'cuda' can't be used"]


def test_one_whose_node_lacks_the_weights_is_blamed_for_nothing() -> None:
    greeted = Greeted(warm=(BROKEN,), look_around=(NodeReport(frozenset()),))
    greeted.greet()
    assert greeted.ready and not greeted.failed and not greeted.blamed
