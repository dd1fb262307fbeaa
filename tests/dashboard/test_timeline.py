"""The section timeline: what each cell says, in viewer order."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard import looks
from dashboard.timeline import cells, timeline_html

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


def detail() -> dict[str, Any]:
    """Three sections: the last is finished, the first was retried and runs, the middle one waits."""

    def attempt(task: str, number: int, state: str, start: int, end: int | None, step: int) -> dict[str, Any]:
        return {
            "id": f"{task}-{number}",
            "task_id": task,
            "number": number,
            "replica": f"replica-{number}",
            "place": f"gpu<{number}>",
            "state": state,
            "started_at": f"2026-01-01T12:00:{start:02d}Z",
            "finished_at": None if end is None else f"2026-01-01T12:00:{end:02d}Z",
            "step": step,
            "steps": 25,
        }

    states = {
        "section-000": "running",
        "section-001": "waiting",
        "section-002": "done",
        "decode-000": "waiting",
        "decode-001": "waiting",
        "decode-002": "done",
    }
    return {
        "job": {"id": "3f2a"},
        "artifacts": [{"name": "preview-002", "sha256": "ab" * 32}],
        "plan": {
            "fps": 30,
            "section_list": [
                {
                    "index": i,
                    "start": 1 + 9 * i,
                    "stop": 10 + 9 * i,
                    "first_frame": 36 * i + (i > 0),
                    "last_frame": 36 * i + 36,
                    "prompt": "A & B",
                }
                for i in range(3)
            ],
        },
        "tasks": [{"id": name, "name": name, "state": state, "reason": ""} for name, state in states.items()],
        "rendered": [{"index": 2, "cache": "tea", "steps": 25, "steps_computed": {"positive": 11, "negative": 14}}],
        "attempts": [
            attempt("section-000", 2, "running", 20, None, 10),
            attempt("section-000", 1, "interrupted", 1, 9, 24),
            attempt("section-002", 1, "committed", 2, 14, 25),
        ],
    }


def test_cells_tell_state_step_place_and_time_in_viewer_order():
    first, second, third = cells(detail(), NOW)
    assert [first.state, second.state, third.state] == ["running", "waiting", "done"]
    assert (first.step, first.steps, first.place, first.seconds, first.tries) == (10, 25, "gpu<2>", 10.0, 2)
    assert (second.place, second.seconds, second.tries) == ("", 0.0, 0)
    assert (third.seconds, third.tries, third.skipped) == (12.0, 1, "tea cache skipped 11 of 25 steps")
    assert first.skipped == second.skipped == ""
    assert (first.start, first.stop, third.stop) == (0.0, pytest.approx(37 / 30), pytest.approx(109 / 30))


def test_picture_comes_from_latents_at_once_and_from_pixels_when_there_are_any():
    data = detail()
    first, second, third = cells(data, NOW)
    assert first.picture == "/farm/jobs/3f2a/sections/0.jpg?kind=running&frames=9&v=10"
    assert second.picture == ""
    assert third.picture == f"/farm/jobs/3f2a/sections/2.jpg?kind=rendered&frames=9&v={'ab' * 8}"
    data["artifacts"].append({"name": "thumbnail-002", "sha256": "cd" * 32})
    assert cells(data, NOW)[2].picture == f"/farm/jobs/3f2a/sections/2.jpg?kind=decoded&v={'cd' * 8}"


def test_rendered_but_not_decoded_is_a_state_of_its_own():
    data = detail()
    data["tasks"][5]["state"] = "ready"
    assert cells(data, NOW)[2].state == "rendered"
    data["tasks"][5].update(state="failed", reason="codec broke")
    assert (cells(data, NOW)[2].state, cells(data, NOW)[2].reason) == ("failed", "codec broke")


def test_html_shows_each_section_once_by_its_number_and_escapes_what_others_wrote():
    html = timeline_html(cells(detail(), NOW), chosen=1)
    places = [html.index(f'data-section="{i}"') for i in range(3)]
    assert places == sorted(places) and all(f"<b>{i}</b>" in html and f"section {i}: " in html for i in range(3))
    assert "gpu&lt;2&gt;" in html and "gpu<2>" not in html
    assert "A &amp; B" in html and "2 tries" in html and "width:40%" in html and "10/25" in html
    assert html.count("chosen") == 1 and 'waiting chosen" data-section="1"' in html


def test_long_videos_get_small_cells():
    data = detail()
    for i in range(3, 60):
        data["plan"]["section_list"].append(data["plan"]["section_list"][0] | {"index": i})
        data["tasks"].append({"id": f"s{i}", "name": f"section-{i:03d}", "state": "ready", "reason": ""})
    html = timeline_html(cells(data, NOW))
    assert "timeline many" in html and html.count("data-section") == 60


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12.4, "12 s"), (185, "3 min 05 s"), (7810, "2 h 10 min"), (-1, "0.0 s")]
)
def test_durations(seconds: float, text: str):
    assert looks.duration(seconds) == text


def test_text_of_others_is_not_markdown():
    assert looks.plain("*hi* [x](y) :red[z]") == "\\*hi\\* \\[x\\]\\(y\\) \\:\u2060red\\[z\\]"


def test_a_section_shows_the_take_that_was_chosen_and_that_others_are_rendered() -> None:
    told = detail()
    first, chosen = dict(told["tasks"][2]), told["tasks"][2]["id"] + "-take-2"
    told["tasks"] += [{**first, "id": chosen, "name": chosen}]
    told["tasks"] += [{**first, "id": "section-001-take-1", "name": "section-001-take-1", "state": "running"}]
    made = next(attempt for attempt in told["attempts"] if attempt["task_id"] == "section-002")
    told["attempts"] += [{**made, "id": "best", "task_id": chosen, "place": "gpu-9", "number": 1}]
    told["rendered"][0] |= {"take": 2, "score": 1.25, "outside": ["tint"]}
    shown = cells(told, NOW)
    assert (shown[2].take, shown[2].place, shown[2].tries) == (2, "gpu-9", 1)
    assert shown[2].verdict == "take 2, score 1.25, outside tint" and shown[1].state == "retaken"
    html = timeline_html(shown)
    assert "<b>2</b> ·take 2" in html and "outside its limits: other takes" in html
