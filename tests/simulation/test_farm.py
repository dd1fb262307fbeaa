"""Whole runs: whatever goes wrong, all is done once, and the farm's own policy keeps up with simpler ones."""

import pytest

from farm.errors import InputError
from farm.simulation.farm import Options
from farm.simulation.faults import FAULTS
from farm.simulation.policies import POLICIES
from farm.simulation.run import Setting, simulate
from farm.simulation.workload import PRESETS

SMALL = "6xh100:1.0,12x4090:0.6,4x3060:0.3,6xcpu:0.5"
MIXED = "50xH100:1.0,100x4090:0.6,50x3060:0.3"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_finishes_all_kinds_of_tasks(policy: str) -> None:
    outcome = simulate(Setting(SMALL, "all-kinds", 12), policy)
    assert outcome.report.broken == ()
    assert outcome.report.ratio >= 1
    assert len(outcome.farm.history.finished) == 12


@pytest.mark.parametrize("workload", PRESETS)
def test_every_workload_is_done(workload: str) -> None:
    assert simulate(Setting(SMALL, workload, 12)).report.broken == ()


@pytest.mark.parametrize("faults", [*FAULTS, ",".join(FAULTS)])
@pytest.mark.parametrize("mixing", [True, False])
def test_nothing_is_lost_or_done_twice_whatever_goes_wrong(faults: str, mixing: bool) -> None:
    options = Options(noise=0.3, latency=0.5, mixing=mixing, seed=3)
    outcome = simulate(Setting(SMALL, "all-kinds", 24, faults, options))
    assert outcome.report.broken == ()
    if "blackout" in faults or "node" in faults:
        assert outcome.report.lost
    if "sick" in faults:
        assert 1 <= outcome.report.failed <= 3, "it is kept from work after three failures"


def test_one_video_stays_on_one_class_of_devices() -> None:
    outcome = simulate(Setting(SMALL, "mixed", 20, "node-hourly,sick", Options(mixing=False)))
    classes = {seat.id: seat.device_class for seat in outcome.seats}
    spans = [span for span in outcome.farm.history.spans if span.outcome == "done"]
    for job in outcome.workload.jobs:
        assert len({classes[span.seat_id] for span in spans if span.job_id == job.id}) == 1


def test_same_seed_same_run() -> None:
    setting = Setting(SMALL, "mixed", 20, "node-hourly,sick", Options(noise=0.2, seed=5))
    first, second = simulate(setting).farm.history, simulate(setting).farm.history
    assert first.spans == second.spans
    other = Setting(SMALL, "mixed", 20, "node-hourly,sick", Options(noise=0.2, seed=6))
    assert simulate(other).farm.history.spans != first.spans


def test_holding_tasks_ahead_saves_the_way_of_the_word() -> None:
    late = simulate(Setting("4xh100:1.0", "mixed", 12, options=Options(latency=5.0))).report
    prompt = simulate(Setting("4xh100:1.0", "mixed", 12)).report
    sections = sum(len(job.tasks) for job in simulate(Setting("4xh100:1.0", "mixed", 12)).workload.jobs)
    assert late.makespan < prompt.makespan + 5.0 * sections / 4 * 0.7


def test_as_short_as_the_best_of_the_simpler_ones_and_as_prompt() -> None:
    """The bars of the full size, 300 jobs, at a third of it, which runs in seconds."""
    setting = Setting("16xH100:1.0,34x4090:0.6,16x3060:0.3", "mixed", 100)
    ours = simulate(setting).report
    others = [simulate(setting, name).report for name in ("fifo", "earliest-finish", "two-sided", "upward-rank")]
    assert ours.makespan <= 1.10 * min(other.makespan for other in others)
    assert ours.mean_flow <= 1.05 * min(other.mean_flow for other in others)


def test_models_stay_where_they_are_under_load() -> None:
    setting = Setting("10xH100:1.0,20x4090:0.6,10x3060:0.3", "saturated", 200)
    assert simulate(setting).report.loads <= 0.4 * simulate(setting, "earliest-finish").report.loads


def test_owners_get_their_shares_and_a_newcomer_is_served_at_once() -> None:
    outcome = simulate(Setting("20xH100:1.0,20x4090:0.6", "weights", 300))
    assert outcome.report.shares == pytest.approx({"one": 1.0, "two": 1.0, "four": 1.0}, rel=0.05)
    assert outcome.report.newcomer is not None and outcome.report.newcomer <= 60


@pytest.mark.parametrize(
    ("setting", "policy", "message"),
    [
        (Setting("3xh100"), "farm", "<count>x<class>:<speed>"),
        (Setting("0xh100:1.0"), "farm", "can't read '0xh100:1.0'"),
        (Setting("1xh100:0"), "farm", "can't read"),
        (Setting("99999xh100:1.0"), "farm", "at most"),
        (Setting(workload="chain"), "farm", "Did you mean 'chains'"),
        (Setting(faults="blackuot"), "farm", "Did you mean 'blackout'"),
        (Setting(), "fio", "Did you mean 'fifo'"),
    ],
)
def test_nonsense_is_refused_with_what_was_expected(setting: Setting, policy: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(setting, policy)
