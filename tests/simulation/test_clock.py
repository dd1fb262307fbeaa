"""The clock of fake time."""

from farm.simulation.clock import Clock


def test_events_happen_in_time_and_then_in_the_order_in_which_they_were_set() -> None:
    clock, seen = Clock(), list[str]()
    clock.at(5, lambda: seen.append("late"))
    clock.at(1, lambda: (seen.append("first"), clock.after(0, lambda: seen.append("at once")))[0])
    clock.at(1, lambda: seen.append("second"))
    assert clock.step() and clock.now == 1 and seen == ["first", "second", "at once"]
    assert clock.step() and clock.now == 5 and seen[-1] == "late"
    assert not clock.step()
