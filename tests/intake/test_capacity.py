"""What a farm has for a model, from its rows."""

from pathlib import Path

from farm.intake.capacity import capacity_of
from farm.intake.orders import Capacity
from farm.store.jobs import JobStore
from model.families import describe
from tests.support.jobs import ready, submit
from tests.support.machine import here


def test_the_class_that_does_most_at_a_time_counts(tmp_path: Path) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 'farm.db'}")
    store.migrate()
    puppet = describe("puppet", here())
    assert capacity_of(store, puppet) == Capacity(1, None)
    for index in range(3):
        store.upsert_replica(f"cpu-{index}", "n", "CPU", "idle", more={"seat": f"cpu-{index}", "expected_speed": 1.0})
    assert capacity_of(store, puppet) == Capacity(3, None)
    for index, state in enumerate(("idle", "busy", "quarantined", "idle")):
        wanted = "drained" if index == 3 else "active"
        seat = {"seat": f"cuda-{index}", "expected_speed": 10.0, "wanted": wanted}
        store.upsert_replica(f"gpu-{index}", "n", "H100", state, more=seat)
    store.upsert_replica("export", "n", "H100", "idle", more={"seat": "cpu-export-0"})
    assert capacity_of(store, puppet) == Capacity(2, None)

    job = submit(store)
    for name in ("encode", "section-000"):
        assert name in ready(store, job.id)
        attempt = store.start_attempt(f"{job.id}.{name}", "gpu-0", "H100")
        store.commit_attempt(attempt.id, [], {"seconds": 0.5})
    assert capacity_of(store, puppet) == Capacity(2, 0.5)
    store.close()
