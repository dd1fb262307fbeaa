"""Pictures and video of a job over HTTP: stored beside it, shown in its plan, refused in one line."""

import pytest

from farm.client import FarmClient
from farm.errors import InputError
from model.footage.media import Media
from tests.support.api import picture
from tests.support.clips import clip, flat

FIELDS = {"prompt": "A girl. [0s-2s: She waves.] [2s: She spins.]", "total_second_length": 4.8, "steps": 1}


def test_every_file_is_stored_and_the_plan_says_where_it_stands(client: FarmClient):
    media = Media(picture(), flat("red"), (flat("blue"), flat("green")))
    job = client.submit(media, FIELDS | {"keyframes": [3.6, 1.2], "prompt_blend_sections": 0})
    detail = client.job(job["id"])
    names = {artifact["name"] for artifact in detail["artifacts"]}
    assert names == {"image", "end_image", "keyframe-1", "keyframe-2"}
    assert [client.artifact(job["id"], name) for name in media.files()] == list(media.files().values())
    assert [(a["name"], a["second"]) for a in detail["plan"]["anchors"]] == [
        ("keyframe-2", 1.2),
        ("keyframe-1", 3.6),
        ("end_image", 4.8),
    ]
    sections = detail["plan"]["section_list"]
    assert [section["prompt"] for section in sections] == [*["A girl. She waves."] * 2, *["A girl. She spins."] * 2]
    assert sections[3]["anchors"] == ["keyframe-1", "end_image"]


def test_a_video_can_come_without_an_image(client: FarmClient):
    job = client.submit(Media(video=clip()), FIELDS)
    (artifact,) = client.job(job["id"])["artifacts"]
    assert (artifact["name"], artifact["media_type"]) == ("source_video", "video/mp4")
    assert job["request"]["extend"] == "end"


@pytest.mark.parametrize(
    ("media", "fields", "complaint"),
    [
        (Media(), {}, "no start image"),
        (Media(picture(), end_image=b"x"), {}, "end image: "),
        (Media(picture(), keyframes=(flat("red"),)), {}, "0 seconds in keyframes and 1 pictures"),
        (Media(video=clip()[:500]), {}, "video can't be read"),
    ],
)
def test_unusable_files_leave_no_job_behind(client: FarmClient, media: Media, fields: dict, complaint: str):
    before = client.jobs()["total"]
    with pytest.raises(InputError, match=complaint) as error:
        client.submit(media, FIELDS | fields)
    assert "\n" not in str(error.value) and client.jobs()["total"] == before


def test_preview_of_a_plan_takes_prompt_and_anchors(client: FarmClient):
    plan = client.plan(seconds=9.6, prompt=FIELDS["prompt"], end_image=True, keyframes=[2.4, 4.8], svg=True)
    assert [anchor["name"] for anchor in plan["anchors"]] == ["keyframe-1", "keyframe-2", "end_image"]
    assert "keyframe-2 at 4.80 s" in plan["svg"] and "She spins." in plan["svg"]
    assert plan["depth"] < client.plan(seconds=9.6)["depth"]
    with pytest.raises(InputError, match="beyond the video's end"):
        client.plan(seconds=1, prompt=FIELDS["prompt"])
