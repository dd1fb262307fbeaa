"""The API does what its description says, whatever it is sent; with real jobs, on both databases."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from schemathesis.checks import CHECKS, load_all_checks

from farm.client import FarmClient
from farm.jobs.nodes import NodeFacts
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, live_farm, picture
from tests.support.farms import tiny

__all__ = ["tiny"]

load_all_checks()
EXAMPLES = 6
"""Requests for each operation, and five times as many where none of them was granted; by ``-m soak`` many more."""
FILM = {"shots": [{"prompt": "p", "seconds": 1.2, "picture": "pictures.png"}], "every": {"steps": 1}}
"""A storyboard whose picture is sent under that name by schemathesis."""
UNFIT = (
    "positive_data_acceptance",  # no schema can say what a preset, a picture or the state of a job allow
    "negative_data_rejection",  # "5" is taken for 5, and a null for nothing, on purpose
    "use_after_free",
    "ensure_resource_availability",
)
"""Checks that would ask for something else than we promise."""


@dataclass
class Served:
    """A served farm with a completed job, and its description as schemathesis reads it."""

    farm: LiveFarm
    client: FarmClient
    api: Any
    completed: str
    attempt: str = ""
    """One at the completed job."""
    film: str = ""

    def submit(self, **fields: Any) -> str:
        wanted = {"total_second_length": 1.2, "steps": 1, "prompt": "p", **fields}
        return str(self.client.submit(picture(), wanted)["id"])

    def jobs(self) -> list[str]:
        """Four jobs: completed, pending, paused and cancelled."""
        pending, paused, cancelled = (self.submit() for _ in range(3))
        self.client.pause(paused)
        self.client.cancel(cancelled)
        return [self.completed, pending, paused, cancelled]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    with live_farm(tmp_path_factory.mktemp("served"), database_url=url) as farm, farm.client() as client:
        rule = '[[notify]]\nname = "note"\non = ["job_failed"]\ncommand = ["true"]\n'
        (farm.settings.home / "notify.toml").write_text(rule)
        save_file({"x": torch.zeros(1)}, farm.settings.loras_dir / "ink.safetensors")
        (farm.settings.loras_dir / "ink.png").write_bytes(picture())
        headers = {"Authorization": f"Bearer {farm.token}"}
        api = schemathesis.openapi.from_url(f"{farm.url}/openapi.json", headers=headers)
        found = Served(farm, client, api, "")
        found.completed = found.submit()
        render_in_process(farm.store, farm.artifacts, found.completed)
        found.film = client.film(FILM, {"pictures.png": picture()})["id"]
        found.attempt = farm.store.attempts(found.completed)[0].id
        farm.store.put_facts([NodeFacts("studio-1", "n", cores=2)])
        farm.store.upsert_replica("replica-1", "n", "CPU", "idle", more={"host": "studio-1", "seat": "cpu-0"})
        yield found


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(12 * EXAMPLES, marks=pytest.mark.soak)])
def test_every_answer_is_as_described(served: Served, examples: int):
    operations = [each.ok() for each in served.api.get_all_operations()]
    assert len(operations) >= 20
    operations.sort(key=lambda operation: operation.method == "delete")
    only_refused = [
        operation.label
        for operation in operations
        if all(min(answers(served, operation, count)) >= 300 for count in (examples, 5 * examples))
    ]
    assert not only_refused, "which proves little"


def answers(served: Served, operation: Any, examples: int) -> set[int]:
    """Statuses of the answers to whatever can be asked of ``operation``; fails at one that is not as described."""
    headers = {"Authorization": f"Bearer {served.farm.token}"}
    excluded = [check for check in CHECKS.get_all() if check.__name__ in UNFIT]
    streams = operation.path.endswith("/events")  # those of an unfinished job don't end
    jobs = [served.completed] if streams or "{job_id}" not in operation.path else served.jobs()
    real_ones = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["image", "video", "manifest"]),
            "section": st.integers(0, 1),
            "node": st.just("studio-1"),
            "replica": st.just("replica-1"),
            "attempt_id": st.just(served.attempt),
            "model": st.just("puppet"),
            "lora": st.just("ink"),
        }
    )
    mostly = st.sampled_from([True, True, True, False]).flatmap(lambda use: real_ones if use else st.none())
    found, turns = set(), cycle(jobs)  # so that few examples find each of them

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(), real=mostly)
    def ask(case: Any, real: dict[str, Any] | None) -> None:
        if real:
            real = {**real, "job_id": next(turns)}
            case.path_parameters.update({name: real[name] for name in case.path_parameters if name in real})
            if operation.path.endswith("/notices/test"):
                case.body = {"rule": "note"}
            if operation.path.endswith("/models/{model}"):
                case.body = {"preset": None}
            if operation.path.endswith("/promote"):
                case.path_parameters["job_id"] = served.submit(draft=True)
            if operation.path.endswith("/film") or operation.path.endswith("/films"):
                case.body = {"storyboard": json.dumps(FILM), "pictures": [picture()]}
            if operation.path.endswith("/storyboard"):
                case.path_parameters["job_id"] = served.film
            if operation.path.endswith("/log"):
                case.path_parameters["job_id"] = served.completed
            if isinstance(case.body, dict) and isinstance(case.body.get("request"), dict):
                case.body = {"request": mild(case.body["request"]), "image": picture()}
        answer = case.call_and_validate(headers=headers, excluded_checks=excluded, timeout=60)
        found.add(answer.status_code)

    ask()
    return found


def mild(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` without what only a farm with more models, files and presets could take."""
    named = ("model_type", "preset", "exporter", "order", "loras", "cache", "keyframes", "resolution", "vae_tiling")
    hashes = ("image_sha256", "end_image_sha256", "video_sha256")
    kept = {name: value for name, value in fields.items() if name not in (*named, *hashes)}
    return {**kept, "total_second_length": 1.2}
