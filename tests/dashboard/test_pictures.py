"""Pictures and growing videos, asked for at the dashboard by address."""

import io
import shutil

import httpx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dashboard.files import lora_url
from dashboard.pictures import middle_of, picture_url, video_url
from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm, wait_for
from tests.support.api import picture


def strip(frames: int) -> bytes:
    """Frames of 16x16 pixels side by side, each brighter than the one before."""
    image, buffer = Image.new("L", (16 * frames, 16)), io.BytesIO()
    for number in range(frames):
        image.paste(number * 25, (16 * number, 0, 16 * number + 16, 16))
    image.convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def test_middle_of_a_strip():
    image = Image.open(io.BytesIO(middle_of(strip(9), 9)))
    assert image.size == (16, 16) and image.convert("L").getpixel((8, 8)) == pytest.approx(100, abs=4)


def test_pictures_and_what_is_finished_come_from_the_farm_and_behind_the_door_only(
    farm: RunningFarm, dashboard_url: str
):
    fields = {"prompt": "The man waves", "total_second_length": 2.4, "steps": 1, "seed": 11}
    job_id = farm.client.submit(picture(), fields)["id"]
    wait_for(lambda: farm.client.job(job_id)["job"]["state"] == "completed")
    detail = farm.client.job(job_id)
    address = picture_url(detail, 0, None)
    with httpx.Client(base_url=dashboard_url, follow_redirects=True) as browser:
        assert browser.get(address).status_code == 401
        browser.get(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url))
        decoded = browser.get(address)
        assert "kind=decoded" in address and "immutable" in decoded.headers["cache-control"]
        assert Image.open(io.BytesIO(decoded.content)).size == (64, 64)
        whole = Image.open(io.BytesIO(browser.get(picture_url(detail, 0, None, strip=True)).content))
        assert whole.width == 9 * whole.height
        part = browser.get(video_url(detail), headers={"Range": "bytes=4-7"})  # its worker has not tidied yet
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert part.headers["content-range"].startswith("bytes 4-7/")
        assert browser.get(f"/farm/jobs/{job_id}/sections/7.jpg?kind=rendered").status_code == 404
        assert browser.get(f"/farm/jobs/{job_id}/sections/7.jpg?kind=running&frames=9&v=1").status_code == 204
        assert browser.get("/farm/jobs/nobody/partial.mp4").status_code == 404
        assert browser.get(f"/farm/jobs/{job_id}/sections/0.jpg?kind=rendered&frames=0x").status_code == 404


def test_pictures_of_loras_come_from_the_farm_and_behind_the_door_only(farm: RunningFarm, dashboard_url: str):
    file = farm.settings.loras_dir / "by hand" / "ink & wash.safetensors"
    file.parent.mkdir()
    save_file({"x": torch.zeros(1)}, file)
    file.with_suffix(".png").write_bytes(picture())
    (mark,) = (lora["picture"] for lora in farm.client.loras() if lora["name"] == "by hand/ink & wash")
    address = lora_url("by hand/ink & wash", mark)
    with httpx.Client(base_url=dashboard_url, follow_redirects=True) as browser:
        assert browser.get(address).status_code == 401
        browser.get(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url))
        shown = browser.get(address)
        assert "immutable" in shown.headers["cache-control"]
        assert Image.open(io.BytesIO(shown.content)).size == (64, 64)
        assert browser.get("/loras/nothing.jpg").status_code == 404
        assert browser.get("/loras/%2e%2e/jobs/x.jpg").status_code in (400, 404)
    shutil.rmtree(file.parent)
