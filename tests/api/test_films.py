"""Films over HTTP: checked whole, queued as one job, refused shot by shot."""

from typing import Any

import pytest

from farm.errors import InputError
from tests.support.api import LiveFarm, picture

PICTURES = {"a.png": picture()}
SHOTS: list[dict[str, Any]] = [
    {"name": "dawn", "prompt": "The puppet waves", "seconds": 2.4, "picture": "a.png"},
    {"name": "noon", "prompt": "The puppet jumps", "seconds": 1.2, "picture": "a.png", "transition": "fade:0.2"},
]


def test_film_is_checked_then_queued_as_one_job(farm: LiveFarm) -> None:
    written = {"name": "A day", "every": {"steps": 2}, "shots": SHOTS}
    with farm.client() as client:
        checked = client.check_film(written, PICTURES)
        assert checked["plan"]["frames"] == 72 + 36 - 6 and checked["plan"]["sections"] == 3
        assert [shot["section"] for shot in checked["plan"]["shots"]] == [0, 2]
        assert [request["steps"] for request in checked["requests"]] == [2, 2]
        before = client.jobs()["total"]

        made = client.film(written, PICTURES, idempotency_key="day")
        assert client.film(written, PICTURES, idempotency_key="day")["id"] == made["id"]
        assert made["name"] == "A day" and made["counts"]["sections_total"] == 3
        assert [(shot["name"], shot["first"], shot["fade"]) for shot in made["shots"]] == [
            ("dawn", 0, 0),
            ("noon", 2, 0.2),
        ]
        assert client.jobs()["total"] == before + 1
        detail = client.job(made["id"])
        assert detail["job"]["film"] and detail["shots"] == made["shots"]
        assert client.storyboard(made["id"]) == {"storyboard": written, "files": {"a.png": "shot-1-image"}}
        tasks = {task["name"]: task["dependencies"] for task in detail["tasks"]}
        assert tasks["section-002"] == ["encode-1"] and len(tasks["export"]) == 3
        assert {file["name"] for file in detail["artifacts"]} == {"image", "shot-1-image"}
        assert detail["plan"]["section_list"][2]["first_frame"] == 66


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": "b.png"}, r"shot noon: its picture 'b\.png' is missing"),
        ({"steps": 0}, "shot noon: steps"),
        ({"draft": True}, "shot noon is a draft"),
        ({"sedd": 1}, "shot noon: .*sedd.*Did you mean 'seed'"),
        ({"seconds": 0.2, "transition": "fade:2"}, "shot noon takes .* make it longer"),
    ],
)
def test_shot_that_can_not_be_made_is_named(farm: LiveFarm, change: dict[str, Any], message: str) -> None:
    with farm.client() as client:
        before = client.jobs()["total"]
        with pytest.raises(InputError, match=message):
            client.film({"shots": [SHOTS[0], {**SHOTS[1], **change}]}, PICTURES)
        assert client.jobs()["total"] == before
