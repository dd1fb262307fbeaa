"""Seats that are to take nothing more give back what they hold for later."""

from collections.abc import Iterator

from .decisions import Withdraw
from .view import FarmView, SeatState


def emptied(view: FarmView) -> Iterator[Withdraw]:
    """What seats hold ahead that won't do it: they drain, rest, or are in quarantine."""
    for seat_id in view.holding_ahead:
        seat = view.seats[seat_id]
        if seat.ahead is not None and seat.state is not SeatState.READY:
            yield Withdraw(seat.ahead.task_id, seat_id, f"the seat is {seat.state}")
