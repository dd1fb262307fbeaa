"""``farm submit``: what it says of what it has queued."""

from typing import Any

import pytest

from farm.cli.submit import _tell_check, _tell_more


def told(capsys: pytest.CaptureFixture[str], **outlook: Any) -> str:
    known = {"place": 2, "jobs": 3, "code": "", "why": "", "expected": None}
    job = {"id": "3f2a77c0ffee", "outlook": {**known, **outlook}}
    _tell_more({"job": job, "plan": {"seconds": 1.2, "sections": 1}})
    return capsys.readouterr().err


def test_it_says_when_the_video_should_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    about = "1.2 s of video in 1 section; place 2 of 3 in the queue"
    assert told(capsys, expected=200.0) == f"{about}; done in about 3:20. `farm watch 3f2a77c0` follows it.\n"
    assert f"{about}; it waits: No replica." in told(capsys, why="No replica.")


def test_a_dry_run_says_when_it_would_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    outlook = {"place": 2, "jobs": 2, "low": 100.0, "expected": 200.0, "high": 310.0}
    found = {"plan": {"seconds": 1.2, "sections": 1}, "notes": ["a crop"], "outlook": outlook}
    _tell_check(found, as_json=False)
    said = capsys.readouterr()
    assert "1.2 s of video in 1 section; place 2 of 2 in the queue, done in about 3:20 (1:40 to 5:10), at " in said.out
    assert said.out.endswith("Nothing was queued.\n") and said.err == "note: a crop\n"
    _tell_check({**found, "outlook": {**outlook, "expected": None}}, as_json=False)
    assert "nothing in the farm can take it now" in capsys.readouterr().out
