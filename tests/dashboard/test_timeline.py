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
            "replica": f"gpu<{number}>",
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
        "plan": {
            "fps": 30,
            "section_list": [
                {"index": i, "first_frame": 36 * i + (i > 0), "last_frame": 36 * i + 36, "prompt": "A & B"}
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


def test_cells_tell_state_share_replica_and_time_in_viewer_order():
    first, second, third = cells(detail(), NOW)
    assert [first.state, second.state, third.state] == ["running", "waiting", "done"]
    assert (first.share, first.replica, first.seconds, first.tries) == (0.4, "gpu<2>", 10.0, 2)
    assert (second.replica, second.seconds, second.tries) == ("", 0.0, 0)
    assert (third.seconds, third.tries, third.skipped) == (12.0, 1, "tea cache skipped 11 of 25 steps")
    assert first.skipped == second.skipped == ""
    assert (first.start, first.stop, third.stop) == (0.0, pytest.approx(37 / 30), pytest.approx(109 / 30))


def test_rendered_but_not_decoded_is_a_state_of_its_own():
    data = detail()
    data["tasks"][5]["state"] = "ready"
    assert cells(data, NOW)[2].state == "rendered"
    data["tasks"][5].update(state="failed", reason="codec broke")
    assert (cells(data, NOW)[2].state, cells(data, NOW)[2].reason) == ("failed", "codec broke")


def test_html_shows_each_section_once_and_escapes_what_others_wrote():
    html = timeline_html(cells(detail(), NOW))
    assert [html.index(f'data-section="{i}"') for i in range(3)] == sorted(
        html.index(f'data-section="{i}"') for i in range(3)
    )
    assert "gpu&lt;2&gt;" in html and "gpu<2>" not in html
    assert "A &amp; B" in html and "2 tries" in html and "width:40%" in html


def test_long_videos_get_narrow_cells_without_text():
    data = detail()
    for i in range(3, 40):
        data["plan"]["section_list"].append({"index": i, "first_frame": 36 * i, "last_frame": 36 * i, "prompt": ""})
        data["tasks"].append({"id": f"s{i}", "name": f"section-{i:03d}", "state": "ready", "reason": ""})
    html = timeline_html(cells(data, NOW))
    assert "timeline many" in html and "<b>" not in html and html.count("data-section") == 40


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12.4, "12 s"), (185, "3 min 05 s"), (7810, "2 h 10 min"), (-1, "0.0 s")]
)
def test_durations(seconds: float, text: str):
    assert looks.duration(seconds) == text


def test_text_of_others_is_not_markdown():
    assert looks.plain("*hi* [x](y) :red[z]") == "\\*hi\\* \\[x\\]\\(y\\) \\:\u2060red\\[z\\]"
