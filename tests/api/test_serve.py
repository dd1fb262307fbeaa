"""The API as Ray Serve runs it, over real Ray."""

import time

import httpx
import pytest

from farm.client import FarmClient
from farm.errors import ConflictError
from farm.settings import Settings
from tests.support.api import picture
from tests.support.ports import free_port
from tests.support.tiny import tiny_checkpoint

pytestmark = pytest.mark.ray


def test_served_api_queues_jobs_with_and_without_a_coordinator(settings: Settings, tmp_path, monkeypatch):
    import ray

    from farm.api import serve
    from farm.cluster.calls import COORDINATOR, NAMESPACE
    from farm.service.local_ray import local_ray

    class Counter:
        """Stands where the coordinator is found and counts nudges; Ray's processes can't import it from here."""

        def __init__(self) -> None:
            self.nudges = 0

        def nudge(self) -> None:
            self.nudges += 1

        def count(self) -> int:
            return self.nudges

    monkeypatch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path / "tiny")))
    url = f"http://127.0.0.1:{free_port()}"
    with local_ray(settings, 1):
        serve.run(settings, "127.0.0.1", int(url.rpartition(":")[2]))
        with FarmClient(url, settings.token_path.read_text().strip()) as client:
            assert client.health()["status"] == "ok"
            fields = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 1}
            alone = client.submit(picture(), fields)
            assert alone["state"] == "pending"

            counter = ray.remote(Counter).options(name=COORDINATOR, namespace=NAMESPACE, num_cpus=0).remote()
            assert ray.get(counter.count.remote()) == 0
            time.sleep(1.1)  # the nudge looks for a missing coordinator once a second
            job = client.submit(picture(), fields)
            deadline = time.monotonic() + 10
            while not ray.get(counter.count.remote()):
                assert time.monotonic() < deadline

            ray.kill(counter)
            assert client.cancel(job["id"])["state"] == "cancelled"
            assert [m["event"] for m in client.events(job["id"])][-2:] == ["job_cancelled", "end"]
            assert client.artifact(job["id"], "image") == picture()
            assert "farm_jobs" in client.metrics()
        serve.leave(settings)


def test_only_a_serve_that_the_farm_started_ends_with_it(settings: Settings):
    """Also while nobody has an application on it: whoever started it may be about to."""
    from ray import serve as ray_serve

    from farm.api import serve
    from farm.service.local_ray import local_ray

    settings.run_dir.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with local_ray(settings, 1):
        ray_serve.start(proxy_location="HeadOnly", http_options={"port": port})
        theirs = serve._controller()
        with pytest.raises(ConflictError, match=f"farm up --port {port}"):
            serve.run(settings, "127.0.0.1", free_port())
        serve.leave(settings)
        serve.run(settings, "127.0.0.1", port)
        serve.leave(settings)
        assert serve._controller() == theirs and not ray_serve.status().applications
        ray_serve.shutdown()
        serve._start(settings, "127.0.0.1", port)
        ours, other = serve._controller(), free_port()
        serve._start(settings, "127.0.0.1", other)  # as a farm that was started anew with another port
        assert len({theirs, ours, serve._controller(), ""}) == 4
        httpx.get(f"http://127.0.0.1:{other}/")  # something answers there
        serve.leave(settings)
        assert not serve._controller()
