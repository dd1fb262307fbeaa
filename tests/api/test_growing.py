"""The video of a job that is not finished, over HTTP."""

from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from farm.api import growing
from farm.client import FarmClient
from farm.errors import NotFoundError
from farm.jobs.names import clip_name
from farm.jobs.records import Artifact
from farm.work.clips import clip_of
from tests.support.api import LiveFarm, picture

FIELDS = {"prompt": "The puppet waves", "total_second_length": 4.8, "steps": 1, "seed": 3}


def decoded(farm: LiveFarm, job_id: str, section: int, frames: int) -> None:
    """Commit a section and its clip as a replica would; sections before it need not be there."""
    name = clip_name(section)
    made = farm.artifacts.write(
        f"jobs/{job_id}/{name}.mp4", clip_of(np.full((frames, 64, 64, 3), 40 * section, np.uint8), 30), name=name
    )
    put(farm, job_id, made)


def put(farm: LiveFarm, job_id: str, made: Artifact) -> None:
    from farm.store.attempts import put_files

    farm.store._database.write(put_files, job_id, [made])


def frames_of(path: Path) -> int:
    with av.open(str(path)) as file:
        return len(list(file.decode(video=0)))


def test_what_is_decoded_can_be_watched_whatever_state_the_job_is_in(
    farm: LiveFarm, client: FarmClient, tmp_path: Path
):
    job_id = client.submit(picture(), FIELDS)["id"]
    with pytest.raises(NotFoundError, match="no decoded section yet"):
        client.download_partial(job_id, tmp_path / "part.mp4")
    decoded(farm, job_id, 2, 7)
    assert frames_of(client.download_partial(job_id, tmp_path / "part.mp4")) == 7
    decoded(farm, job_id, 0, 5)
    client.pause(job_id)
    assert frames_of(client.download_partial(job_id, tmp_path / "part.mp4")) == 12
    client.cancel(job_id)
    assert frames_of(client.download_partial(job_id, tmp_path / "part.mp4")) == 12


def test_ranges_are_answered_and_nothing_is_joined_twice(
    farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch
):
    job_id = client.submit(picture(), FIELDS | {"seed": 4})["id"]
    decoded(farm, job_id, 0, 9)
    url, headers = f"{farm.url}/api/v1/jobs/{job_id}/partial.mp4", {"Authorization": f"Bearer {farm.token}"}
    whole = httpx.get(url, headers=headers)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"].endswith(f'-{job_id[:8]}-partial.mp4"')
    monkeypatch.setattr(growing, "join_clips", None)
    part = httpx.get(url, headers={**headers, "Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])


def test_damaged_clip_is_left_out(farm: LiveFarm, client: FarmClient, tmp_path: Path):
    job_id = client.submit(picture(), FIELDS | {"seed": 5})["id"]
    decoded(farm, job_id, 0, 5)
    decoded(farm, job_id, 1, 6)
    farm.artifacts.path(f"jobs/{job_id}/{clip_name(0)}.mp4").write_bytes(b"gone bad")
    assert frames_of(client.download_partial(job_id, tmp_path / "part.mp4")) == 6


def test_few_joined_videos_are_kept(farm: LiveFarm, client: FarmClient, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(growing, "KEPT", 2)
    job_id = client.submit(picture(), FIELDS | {"seed": 6})["id"]
    for section in range(4):
        decoded(farm, job_id, section, 3)
        client.download_partial(job_id, tmp_path / "part.mp4")
    assert len(list(farm.settings.partial_dir.iterdir())) == 2
