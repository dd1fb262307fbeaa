"""Content addresses: what changes a result changes its key and those after it; what does not, none."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.intake.planning import plan_for
from farm.jobs.keys import take_key, task_keys
from farm.jobs.submission import Submission
from model.decoding import Decoding

FIELDS = {"prompt": "The puppet waves", "image_sha256": "a" * 64, "total_second_length": 5, "seed": 3}


def keys(kept: Mapping[str, str] | None = None, checkpoint: str = "c", **changes: Any) -> dict[str, str]:
    request = Submission.model_validate({**FIELDS, **changes}).request
    return task_keys(request, plan_for(request), Decoding(before=2), checkpoint, kept)


def changed(**changes: Any) -> set[str]:
    """Names of tasks whose keys differ."""
    before, after = keys(), keys(**changes)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Waves"},
        {"owner": "ann"},
        {"priority": 90},
        {"exporter": "png"},
        {"mp4_crf": 30},
        {"preset": "Dance"},
        {"output_fps": 24},
    ],
)
def test_who_asks_and_how_it_is_exported_change_nothing(changes: dict[str, Any]) -> None:
    assert changed(**changes) == set()
    asked, again = (Submission.model_validate({**FIELDS, **fields}) for fields in ({}, changes))
    assert asked.request == again.request and asked.request.digest == again.request.digest
    assert asked.job_order != again.job_order and Submission.of(again.request, again.job_order) == again


@pytest.mark.parametrize(
    "changes", [{"seed": 4}, {"steps": 7}, {"gs": 3}, {"cfg": 2}, {"cache": "tea"}, {"loras": ["x"]}, {"shift": 2}]
)
def test_sampling_changes_everything_but_the_encoding(changes: dict[str, Any]) -> None:
    assert changed(**changes) == keys().keys() - {"encode"}


def test_what_is_judged_is_another_result_and_takes_decide_which() -> None:
    rendered = keys().keys() - {"encode"}
    gated = [{"quality_gate": "warn"}, {"quality_gate": "retake"}, {"quality_gate": "retake", "retakes": 3}]
    assert all(changed(**changes) == rendered for changes in gated)
    assert len({keys(**changes)["section-000"] for changes in gated}) == 3
    assert keys(quality_gate="warn") == keys(quality_gate="stop", retakes=5) and changed(retakes=5) == set()
    assert take_key("", 1) == "" != take_key("a", 1) != take_key("a", 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_sha256": "b" * 64},
        {"n_prompt": "blur"},
        {"end_image_sha256": "b" * 64},
        {"checkpoint": "d"},
        {"image_fit": "pad"},
        {"image_position": 0.2},
    ],
)
def test_pictures_and_weights_change_everything(changes: dict[str, Any]) -> None:
    assert changed(**changes) == set(keys())


def test_the_tiling_changes_the_decoding_only() -> None:
    assert changed(vae_tiling="on") == {name for name in keys() if name.startswith("decode")}


def test_a_prompt_changes_the_sections_that_show_it_and_those_that_see_them() -> None:
    timed = {"prompt": "[0s-2.4s: She waves] [2.4s: She bows]", "prompt_blend_sections": 0, "order": "vanilla"}
    before = keys(**timed)
    after = keys(**{**timed, "prompt": "[0s-2.4s: She waves] [2.4s: She jumps]"})
    same = {name for name in before if before[name] == after[name]}
    assert {"section-000", "section-001", "decode-000"} <= same
    assert not same & {"encode", "section-002", "section-003", "decode-003"}


def test_what_is_kept_keeps_its_key_and_changes_what_sees_it() -> None:
    kept = keys({"section-000": "k" * 64})
    assert kept["section-000"] == "k" * 64
    assert {name for name in kept if kept[name] != keys()[name]} >= {"section-000", "section-001", "decode-000"}


@given(st.integers(0, 10_000), st.sampled_from(["vanilla", "inverted", "bisect", "endpoints"]))
@settings(max_examples=20, deadline=None)
def test_no_two_sections_share_a_key(seed: int, order: str) -> None:
    found = keys(seed=seed, order=order)
    assert len(set(found.values())) == len(found)
