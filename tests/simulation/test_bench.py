"""The farm that the bench of decisions pretends."""

from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.simulation.bench import pretended


def test_pretended_farm_of_the_bench_has_work_for_every_free_seat() -> None:
    view = pretended(jobs=20, tasks=10, seats=40, busy=10)
    assert sum(not start.ahead for start in decide(view, 0.0, SizeCosts()).starts) == 30
