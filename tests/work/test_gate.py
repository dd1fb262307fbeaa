"""The gate with a real model: sections are judged as they are rendered, and the best take goes into the video."""

import json

import pytest
import torch

from farm.errors import CancelledError
from farm.jobs.gate import GATE
from farm.jobs.names import take_of
from farm.jobs.records import Attempt, AttemptState, Job, TaskState
from farm.work.reference import render_in_process
from tests.support.farms import Farm

ASKED = {"total_second_length": 2.4, "steps": 2, "quality_gate": "retake", "retakes": 2}
"""Random weights drift at once, so that every section is rendered again."""


def render(farm: Farm, **fields: object) -> Job:
    job = render_in_process(farm.store, farm.artifacts, farm.job(**{**ASKED, **fields}).id)
    assert job.state == "completed", job.error
    return job


def verdicts(farm: Farm, job: Job) -> dict[str, dict]:
    """By task, those of what it rendered itself."""
    done: dict[str, Attempt] = {}
    for attempt in farm.store.attempts(job.id):
        if GATE in attempt.facts and attempt.replica == "local":
            done[attempt.task_id.rpartition(".")[2]] = attempt
    return {name: attempt.facts[GATE] for name, attempt in done.items()}


def final(farm: Farm, job: Job) -> dict[str, torch.Tensor]:
    """What the video is made of."""
    return {name: part for name, part in farm.latents(job.id).items() if "take" not in name}


def test_the_take_with_the_lowest_score_goes_into_the_video_and_is_made_again_as_that_take(alone: Farm):
    job = render(alone)
    judged, chosen = verdicts(alone, job), {}
    for task in alone.store.tasks(job.id):
        if task.chosen is not None:
            takes = {take_of(n): v["score"] for n, v in judged.items() if n.startswith(task.name)}
            chosen[task.name] = task.chosen
            assert len(takes) == 3 and task.chosen == min(takes, key=lambda take: (takes[take], take))
    assert len(chosen) == 2 and any(chosen.values())
    latents = alone.latents(job.id)
    for name, take in chosen.items():
        own = name.replace("section", "latents")
        assert torch.equal(latents[own], latents[f"{own}-take-{take}" if take else own])
    manifest = json.loads(alone.artifacts.read(alone.store.artifacts(job.id)["manifest"].key))
    assert [section["take"] for section in manifest["sections"]] == list(chosen.values())
    assert all(section["gate"]["score"] > 0 for section in manifest["sections"])

    name, before = next(name for name, take in chosen.items() if take), final(alone, job)
    assert alone.store.remake(job.id, name.replace("section", "latents"), "gone")
    render_in_process(alone.store, alone.artifacts, job.id)
    again = final(alone, job)
    assert all(torch.equal(part, again[name]) for name, part in before.items())
    assert all(task.state is TaskState.DONE for task in alone.store.tasks(job.id))


def test_a_gated_render_that_is_cut_off_everywhere_is_the_undisturbed_one(alone: Farm, reference):
    undisturbed = reference(**ASKED)
    job = alone.job(**ASKED)
    stopped: set[str] = set()

    def cut_off(now: Job) -> None:
        for attempt in alone.store.running_attempts():
            if ".section" in attempt.task_id and attempt.task_id not in stopped and attempt.step >= 1:
                stopped.add(attempt.task_id)
                raise CancelledError("the process ends here")

    for _ in range(40):
        try:
            done = render_in_process(alone.store, alone.artifacts, job.id, on_update=cut_off)
        except CancelledError:
            assert alone.store.reconcile() == []
            continue
        if done.state == "completed":
            break
    assert done.state == "completed" and sum("take" in name for name in stopped) == 4
    again = alone.latents(job.id)
    assert again.keys() == undisturbed.keys()
    assert all(torch.equal(part, undisturbed[name]) for name, part in again.items())
    assert set(alone.committed(job.id).values()) == {1}


def test_judging_alone_changes_no_pixel(alone: Farm, reference):
    plain = reference(total_second_length=2.4, steps=2)
    job = render(alone, total_second_length=2.4, quality_gate="warn")
    made = alone.latents(job.id)
    assert made.keys() == plain.keys() and all(torch.equal(part, plain[name]) for name, part in made.items())
    assert alone.kinds(job.id).count("section_outside") == 2
    (verdict, _) = verdicts(alone, job).values()
    assert {"tint", "look", "blur", "noise", "freeze", "flicker", "seam"} == verdict["values"].keys()


def test_equal_gated_work_is_done_once(alone: Farm):
    """Also takes that another job is only about to choose from."""
    first, second = alone.job(**ASKED, name="one"), alone.job(**ASKED, name="two")

    def stop_among_takes(now: Job) -> None:
        if any("take-2" in attempt.task_id for attempt in alone.store.running_attempts()):
            raise CancelledError("for now")

    with pytest.raises(CancelledError):
        render_in_process(alone.store, alone.artifacts, first.id, on_update=stop_among_takes)
    render_in_process(alone.store, alone.artifacts, second.id)
    render_in_process(alone.store, alone.artifacts, first.id)
    rendered = [
        attempt.task_id.rpartition(".")[2]
        for job in (first, second)
        for attempt in alone.store.attempts(job.id)
        if attempt.state in (AttemptState.COMMITTED, AttemptState.SUPERSEDED) and attempt.replica == "local"
    ]
    sections = [name for name in rendered if name.startswith("section")]
    assert len(sections) == len(set(sections)) == 6
    one, two = final(alone, first), final(alone, second)
    assert all(torch.equal(part, two[name]) for name, part in one.items())
