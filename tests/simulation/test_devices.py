"""Devices by name and number, and their seats."""

from farm.jobs.records import TaskKind
from farm.simulation.devices import Device, make_seats, parse_devices


def test_devices_are_read_and_made_into_seats_on_nodes_of_eight() -> None:
    devices = parse_devices("10xH100:1.0, 3xcpu:.5")
    assert devices == [Device(10, "H100", 1.0), Device(3, "cpu", 0.5)]
    seats = make_seats(devices)
    assert sorted(len([s for s in seats if s.node == node]) for node in {s.node for s in seats}) == [2, 3, 8]
    cpu = next(seat for seat in seats if seat.device_class == "cpu")
    gpu = next(seat for seat in seats if seat.device_class == "H100")
    assert TaskKind.SECTION not in cpu.takes and gpu.spares == {TaskKind.DECODE, TaskKind.EXPORT}
