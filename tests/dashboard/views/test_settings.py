"""What a video is made with, on its Job page."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard.views.settings import common, own
from farm.client import FarmClient
from farm.jobs.submission import Submission
from tests.support.api import picture

REQUEST = Submission(prompt="x", image_sha256="0" * 64).model_dump(mode="json")


def html(page: AppTest, word: str) -> str:
    """The one piece of HTML that holds a word."""
    (found,) = [each.proto.body for each in page.get("html") if word in each.proto.body]
    return str(found)


def test_what_all_have_and_what_each_has_of_its_own():
    requests = [REQUEST, {**REQUEST, "seed": 4}, {**REQUEST, "cfg": 2.5}]
    assert {"seed", "CFG"}.isdisjoint(common(requests)) and common(requests)["steps"] == "25"
    assert own(requests)[1:] == [{"seed": "4", "CFG": ""}, {"seed": "31337", "CFG": "2.5"}]
    assert own([REQUEST]) == [{}]


def test_film_shows_what_its_shots_share_and_each_shot_the_rest(show: Callable[..., AppTest], client: FarmClient):
    shots = [
        {"name": "dawn", "prompt": "The puppet waves.", "seconds": 2.4, "picture": "a.png"},
        {"name": "noon", "prompt": "The puppet bows.", "seconds": 1.2, "picture": "a.png", "seed": 4, "steps": 3},
    ]
    job = client.film({"every": {"steps": 2, "gs": 6}, "shots": shots}, {"a.png": picture()})
    page = show("job", id=job["id"])
    facts, told = html(page, "distilled CFG"), html(page, "sections 0 to 1")
    assert "<span>distilled CFG</span>6" in facts and "<span>steps</span>" not in facts and "preset" not in facts
    assert "<span>seed</span>" not in facts and "<span>length</span>3.60 s" in facts
    assert "sections 0 to 1 · seed 31337 · steps 2" in told and "section 2 · seed 4 · steps 3" in told
    assert "The puppet waves." not in [each.value for each in page.markdown]


def test_video_shows_all_of_its_own(show: Callable[..., AppTest], client: FarmClient):
    fields = {"prompt": "The puppet waves.", "total_second_length": 1.2, "steps": 3, "seed": 9}
    page = show("job", id=client.submit(picture(), fields)["id"])
    facts = html(page, "distilled CFG")
    assert all(text in facts for text in ("<span>preset</span>Default", "<span>seed</span>9", "<span>steps</span>3"))
