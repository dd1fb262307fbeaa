"""The History page (Streamlit's own page tester, a real API), and what browsers fetch from it by themselves."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from dashboard.files import TROUBLES, picture_url, result_url, routes, zip_url
from dashboard.views import history
from dashboard.views.gallery import PICKED, card
from farm.client import FarmClient
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, picture
from tests.support.jobs import submit

Show = Callable[..., AppTest]
FIELDS = {"prompt": "The puppet waves", "total_second_length": 1.2, "steps": 1}


def ended(farm: LiveFarm, *names: str, **fields: object) -> list[str]:
    """Cancelled jobs."""
    ids = [submit(farm.store, name=name, **fields).id for name in names]
    for job in ids:
        farm.store.cancel_job(job)
    return ids


def finished(farm: LiveFarm, client: FarmClient, **fields: object) -> str:
    job = str(client.submit(picture(), FIELDS | fields)["id"])
    render_in_process(farm.store, farm.artifacts, job)
    return job


def shown_ids(shown: AppTest) -> list[str]:
    return [box.key.removeprefix(PICKED) for box in shown.checkbox]


def test_results_are_shown_and_filtered_by_the_address(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    one, two = ended(quiet, "one", "two", owner="ann")
    three = ended(quiet, "three", owner="ben", preset="Dance")[0]
    waiting = submit(quiet.store, name="waiting").id
    assert shown_ids(show("history")) == [three, two, one]
    assert shown_ids(show("history", of="ann")) == [two, one]
    assert shown_ids(show("history", preset="Dance")) == [three]
    assert shown_ids(show("history", words="tw")) == [two]
    assert shown_ids(show("history", state="not finished")) == [waiting]
    assert shown_ids(show("history", model="puppet")) == [three, two, one]
    today = datetime.now(UTC).astimezone().date()
    assert shown_ids(show("history", since=str(today - timedelta(1)), until=str(today + timedelta(1)))) != []
    assert "No job matches" in show("history", until=str(today - timedelta(2))).markdown[0].value


def test_several_are_deleted_at_once(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    ids = ended(quiet, "a", "b", "c")
    shown = show("history")
    shown.checkbox(key=f"{PICKED}{ids[0]}").check()
    shown.checkbox(key=f"{PICKED}{ids[2]}").check().run()
    shown.button(key="history-delete").click().run()
    assert not shown.exception
    assert [job["id"] for job in client.jobs()["jobs"]] == [ids[1]] == shown_ids(shown)
    shown.button(key="pick-all").click().run()
    assert all(box.value for box in shown.checkbox)
    shown.button(key="history-retry").click().run()
    assert client.job(ids[1])["job"]["state"] == "pending"
    assert "Nothing is finished yet" in shown.markdown[0].value


def test_the_last_of_a_page_takes_the_page_with_it(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    ids = ended(quiet, *(f"{number}" for number in range(history.PAGE + 1)))
    shown = show("history", page="2")
    assert shown_ids(shown) == [ids[0]]
    client.delete(ids[0])
    shown.run()
    assert len(shown_ids(shown)) == history.PAGE


def test_an_empty_history_leads_to_submit(client: FarmClient, show: Show) -> None:
    assert "No videos yet" in show("history").markdown[0].value


def test_export_holds_all_that_match(
    quiet: LiveFarm, client: FarmClient, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STEP", 2)
    ended(quiet, "=1+1", "b", "c", owner="ann", labels=["studio"])
    ended(quiet, "other", owner="ben")
    rows = list(history.every(client, {"owner": "ann"}))
    table = list(csv.DictReader(io.StringIO(history.as_csv(rows))))
    assert [row["name"] for row in table] == ["c", "b", "'=1+1"] and table[0]["labels"] == "studio"
    assert [row["name"] for row in json.loads(history.as_json(rows))] == ["c", "b", "=1+1"]


def test_pictures_and_results_are_passed_on_with_ranges(quiet: LiveFarm, client: FarmClient) -> None:
    job = finished(quiet, client, name="walk")
    version = client.rows(state=["completed"])["rows"][0]["picture"]
    with TestClient(Starlette(routes=routes())) as browser:
        small = browser.get(picture_url(job, version))
        assert small.content == client.thumbnail(job) and "immutable" in small.headers["cache-control"]
        video = client.artifact(job)
        part = browser.get(result_url(job), headers={"Range": "bytes=2-9"})
        assert (part.status_code, part.content) == (206, video[2:10]) and part.headers["content-type"] == "video/mp4"
        assert browser.get(result_url("nobody")).status_code == 404
        assert browser.get(result_url("..%2f..%2fhealth")).status_code == 404
        packed = browser.get(zip_url([job, "nobody"]))
        with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
            (name,) = [each for each in archive.namelist() if each != TROUBLES]
            assert name == f"walk-{job[:8]}.mp4" and archive.read(name) == video
            assert b"nobody" in archive.read(TROUBLES)
        assert browser.get(zip_url([])).status_code == 422


def test_a_card_plays_the_result_and_shows_texts_as_they_are(quiet: LiveFarm, client: FarmClient) -> None:
    done = finished(quiet, client, name="<b>bold</b>")
    ended(quiet, "none")
    rows = {row["id"]: row for row in client.rows()["rows"]}
    html = card(rows.pop(done))
    assert f'<video src="{result_url(done)}"' in html and "&lt;b&gt;bold" in html and "<b>bold" not in html
    assert "<video" not in card(rows.popitem()[1])
