"""Policies to compare the farm's with."""

from farm.simulation.bench import pretended
from farm.simulation.policies import by_age, by_rank


def test_orders_of_the_simpler_policies() -> None:
    view = pretended(jobs=12, tasks=9, seats=4, busy=0)
    chains = [candidate.task.chain for candidate in by_rank(view)]
    assert len(chains) == 108 and chains == sorted(chains, reverse=True)
    ages = [candidate.job.submitted for candidate in by_age(view)]
    assert len(ages) == 108 and ages == sorted(ages)
