"""Jobs as rows of a table, and their thumbnails, over HTTP."""

import io

import httpx
import pytest
from PIL import Image

from farm.client import FarmClient
from farm.errors import NotFoundError
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, picture
from tests.support.jobs import submit

FIELDS = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 2, "seed": 5, "owner": "rows"}


def test_rows_say_what_a_table_shows_and_are_sent_only_when_something_changed(
    farm: LiveFarm, client: FarmClient
) -> None:
    first, second = (client.submit(picture(), FIELDS | {"name": name})["id"] for name in ("one", "two"))
    found, etag = client.rows_since("", owner="rows", sort="place")
    assert [row["id"] for row in found["rows"]] == [first, second] and found["total"] == 2
    row = found["rows"][0]
    assert (row["name"], row["priority"], row["hosts"], row["result"]) == ("one", 50, [], "")
    assert (row["counts"]["sections_total"], row["counts"]["steps_total"], row["seconds"]) == (
        2,
        4,
        pytest.approx(2.43, abs=0.01),
    )
    assert row["picture"] and row["outlook"]["place"] == 1 and row["outlook"]["why"]
    assert found["states"]["pending"] == client.states()["pending"] == client.jobs(state="pending")["total"]
    again, same = client.rows_since(etag, owner="rows", sort="place")
    if same == etag:  # not so when the 15 seconds just ended
        assert again is None

    farm.store.upsert_replica("r-0", "4f" * 28, "cpu", "busy", more={"host": "studio-1", "seat": "cpu-0"})
    farm.store.commit_attempt(farm.store.start_attempt(f"{first}.encode", "r-0").id, [])
    attempt = farm.store.start_attempt(next(t.id for t, job in farm.store.ready_tasks() if job.id == first), "r-0")
    found, _ = client.rows_since(etag, owner="rows", sort="place")
    assert found["rows"][0]["hosts"] == ["studio-1"] and found["rows"][1]["hosts"] == []
    before = client.rows_since("", owner="rows")[1]
    farm.store.report_progress(attempt.id, 1, 2)
    found, _ = client.rows_since(before, owner="rows", sort="place")
    assert found["rows"][0]["counts"]["steps_done"] == 1
    client.act("cancel", [first, second])
    client.act("delete", [first, second])
    assert client.rows_since(etag, owner="rows")[0]["total"] == 0


def test_thumbnail_is_of_the_start_image_then_of_the_result(farm: LiveFarm, client: FarmClient) -> None:
    job = client.submit(picture(300, 200), FIELDS)["id"]
    given = client.thumbnail(job)
    with Image.open(io.BytesIO(given)) as shown:
        assert shown.format == "JPEG" and shown.size == (128, 85)
    name = client.rows(owner="rows")["rows"][0]["picture"]
    url, headers = f"{farm.url}/api/v1/jobs/{job}/thumbnail", {"Authorization": f"Bearer {farm.token}"}
    assert httpx.get(url, headers=headers | {"If-None-Match": f'"{name}"'}).status_code == 304
    render_in_process(farm.store, farm.artifacts, job)
    made = client.thumbnail(job)
    with Image.open(io.BytesIO(made)) as shown:
        assert max(shown.size) == 128 and made != given
    row = client.rows(owner="rows")["rows"][0]
    assert (row["state"], row["result"]) == ("completed", "video/mp4") and row["picture"] != name
    kept = farm.settings.artifacts_dir / "jobs" / job / "thumbnails"
    assert len(list(kept.iterdir())) == 2 and client.thumbnail(job) == made
    client.delete(job)
    assert not kept.exists()
    with pytest.raises(NotFoundError):
        client.thumbnail(job)


def test_thumbnail_of_a_running_job_is_its_newest_section(farm: LiveFarm, client: FarmClient) -> None:
    job = client.submit(picture(), FIELDS)["id"]
    farm.store.commit_attempt(farm.store.start_attempt(f"{job}.encode", "r-0").id, [])
    task = next(task for task, of in farm.store.ready_tasks() if of.id == job)
    strip = Image.new("RGB", (900, 100), "red")
    strip.paste("blue", (800, 0, 900, 100))
    file = io.BytesIO()
    strip.save(file, "PNG")
    name = f"preview-{task.section:03d}"
    made = farm.artifacts.write(f"jobs/{job}/{name}.jpg", file.getvalue(), name=name)
    farm.store.commit_attempt(farm.store.start_attempt(task.id, "r-0").id, [made])
    with Image.open(io.BytesIO(client.thumbnail(job))) as shown:
        red, _, blue = shown.convert("RGB").getpixel((50, 50))
        assert shown.size == (100, 100) and blue > 200 > red
    client.cancel(job)
    client.delete(job)


def test_a_job_whose_picture_is_gone_has_no_thumbnail(farm: LiveFarm, client: FarmClient) -> None:
    job = submit(farm.store)
    with pytest.raises(NotFoundError):
        client.thumbnail(job.id)
