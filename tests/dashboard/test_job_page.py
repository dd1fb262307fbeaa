"""The Job page's look at sections that are being denoised (Streamlit's own page tester, a real farm)."""

import io

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from farm.jobs.names import attempt_folder, preview_key
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from tests.dashboard.conftest import RunningFarm
from tests.support.api import picture


def show(job_id: str) -> None:
    from dashboard import farm_access
    from dashboard.views import job

    job._previews(farm_access.client().job(job_id))


def test_running_section_is_shown_as_soon_as_there_is_something_to_see(
    farm: RunningFarm, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FARM_HOME", str(farm.settings.home))
    monkeypatch.setenv("FARM_URL", farm.settings.url)
    farm.working.clear()
    store, artifacts = JobStore(farm.settings.database_url), open_store(farm.settings)
    job_id = farm.client.submit(picture(), {"prompt": "A", "total_second_length": 2.4, "steps": 1})["id"]
    try:
        store.commit_attempt(store.start_attempt(f"{job_id}.encode", "r").id, [])
        task = next(task for task, job in store.ready_tasks() if job.id == job_id)
        attempt = store.start_attempt(task.id, "r")
        page = AppTest.from_function(show, args=(job_id,)).run()
        assert not page.exception and not page.get("image")
        image = io.BytesIO()
        Image.new("RGB", (90, 10)).save(image, "JPEG")
        artifacts.write(preview_key(attempt_folder(job_id, attempt.id), task.section), image.getvalue())
        page.run()
        assert not page.exception
        (shown,) = page.get("image")
        assert shown.proto.imgs[0].caption == f"Section {task.section + 1}, as far as it is denoised"
    finally:
        farm.client.cancel(job_id)
        store.close()
        farm.working.set()
