"""What must hold after any simulation, and what breaks it."""

from farm.simulation.invariants import broken
from farm.simulation.run import Setting, simulate


def test_checks_find_what_is_wrong() -> None:
    outcome = simulate(Setting("2xh100:1.0", "chains", 2))
    farm, workload, bound = outcome.farm, outcome.workload, outcome.report.bound
    history = farm.history
    assert broken(farm, workload, bound) == []
    history.done.append(lost := history.done.pop(0))
    history.done.append(lost)
    assert any("was done 2 times" in line for line in broken(farm, workload, bound))
    del history.done[-2:]
    assert any("never done" in line for line in broken(farm, workload, bound))
    history.spans.append(history.spans[0])
    assert any("at a time" in line for line in broken(farm, workload, bound))
    history.waited = 1e9
    assert any("waited for" in line for line in broken(farm, workload, bound))
