"""Shots as people write them, and the videos that they make."""

from typing import Any

import pytest

from farm.errors import InputError
from farm.films.storyboard import Storyboard, scenes_of


def board(*shots: dict[str, Any], **more: Any) -> Storyboard:
    return Storyboard.of({"shots": [{"prompt": "The puppet waves", **shot} for shot in shots], **more})


def test_what_stands_above_shots_goes_for_all_of_them() -> None:
    found = board(
        {"seconds": 2},
        {"picture": "b.png", "steps": 9},
        name="A day",
        exports=["gif"],
        every={"picture": "a.png", "seconds": 3.5, "gs": 8},
    )
    assert found.whole == {"name": "A day", "exports": ["gif"], "gs": 8}
    assert [(shot.name, shot.seconds, shot.picture) for shot in found.shots] == [("1", 2, "a.png"), ("2", 3.5, "b.png")]
    assert found.shots[1].fields == {"steps": 9} and found.files == ["a.png", "b.png"]


def test_a_shot_that_flows_is_one_video_with_the_one_before() -> None:
    scenes = scenes_of(
        board(
            {"picture": "a.png", "seconds": 2.4, "seed": 3},
            {"prompt": "It jumps", "seconds": 1.2, "transition": "flow", "picture": "b.png"},
            {"prompt": "It bows", "seconds": 1.2, "transition": "flow", "end_picture": "c.png"},
            {"name": "end", "picture": "a.png", "transition": "fade:0.3"},
        )
    )
    assert [scene.name for scene in scenes] == ["1 to 3", "end"]
    first = scenes[0]
    assert first.fields["prompt"] == "[0s-2.4s: The puppet waves] [2.4s-3.6s: It jumps] [3.6s-4.8s: It bows]"
    assert first.fields["total_second_length"] == pytest.approx(4.8) and first.fields["seed"] == 3
    assert first.fields["keyframes"] == [2.4] and list(first.keyframes) == [(2.4, "b.png")]
    assert (first.picture, first.end_picture, first.fade, scenes[1].fade) == ("a.png", "c.png", 0, 0.3)
    media = first.media({"a.png": b"a", "b.png": b"b", "c.png": b"c"})
    assert (media.image, media.keyframes, media.end_image) == (b"a", (b"b",), b"c")
    with pytest.raises(InputError, match=r"'c\.png' is missing; there are: a\.png"):
        first.media({"a.png": b"a"})


def test_a_picture_for_all_is_none_on_the_way() -> None:
    (scene,) = scenes_of(board({}, {"transition": "flow"}, every={"picture": "a.png"}))
    assert scene.picture == "a.png" and not scene.keyframes


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({}, "has no shots; it should look like"),
        ({"shots": []}, "has no shots"),
        ({"shots": [{"prompt": "x"}] * 101}, "at most 100"),
        ({"shots": ["wave"]}, "shot 1 is 'wave'"),
        ({"shots": [{"prompt": " "}]}, "shot 1 has no prompt"),
        ({"shots": [{"prompt": "x", "seconds": 0}]}, "seconds of shot 1 is 0"),
        ({"shots": [{"prompt": "x", "seconds": "long"}]}, "seconds of shot 1 is 'long'"),
        ({"shots": [{"prompt": 3}]}, "prompt of shot 1 is 3; expected a text"),
        (
            {"shots": [{"prompt": "x", "transition": "wipe"}]},
            "of shot 1 is 'wipe'; expected cut, flow, fade",
        ),
        ({"shots": [{"prompt": "x"}, {"prompt": "x", "transition": "fade:60"}]}, "shot 2 takes 60 s"),
        ({"shots": [{"prompt": "x", "transition": "fade"}]}, "is the first one"),
        ({"shots": [{"prompt": "x", "transition": "flow"}]}, "is the first one"),
        ({"shots": [{"prompt": "x", "owner": "me"}]}, "owner of shot 1 is of the whole film"),
        ({"shots": [{"prompt": "x", "exports": ["gif"]}]}, "exports of shot 1 is of the whole film"),
        ({"shots": [{"prompt": "x", "name": "a\nb"}]}, "name of shot 1 should be one line"),
        ({"shots": [{"prompt": "x", "name": "a" * 61}]}, "name of shot 1 has 61 letters"),
        ({"shots": [{"prompt": "x", "total_second_length": 3}]}, "length of a shot is called seconds"),
        ({"shots": [{"prompt": "x"}], "every": {"total_second_length": 3}}, "length of a shot is called seconds"),
        ({"shots": [{"prompt": "x"}], "every": 3}, "every is 3"),
        ({"shots": [{"prompt": "x"}], "every": {"transition": "cut"}}, "is a shot's own"),
        ({"shots": [{"prompt": "x"}, {"prompt": "y", "transition": "flow", "seed": 1}]}, "can't have its own seed"),
        ({"shots": [{"prompt": "x", "end_picture": "a"}, {"prompt": "y", "transition": "flow"}]}, "has an end picture"),
    ],
)
def test_what_can_not_be_read_is_named(written: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        scenes_of(Storyboard.of(written))
    assert "\n" not in str(caught.value)
