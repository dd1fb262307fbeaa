"""LoRAs as people name them."""

from pathlib import Path

import pytest

from farm.errors import InputError
from farm.intake.tags import told_apart, without_tags
from model.settings import ModelSettings


@pytest.mark.parametrize(
    ("prompt", "rest", "loras"),
    [
        ("The puppet dances. <lora:style:0.8>", "The puppet dances.", [("style", 0.8)]),
        (
            "<lora:style> A girl <LORA: folder/dance v2 : 1.5 > waves",
            "A girl waves",
            [("style", 1), ("folder/dance v2", 1.5)],
        ),
        ("a <lora:x:-.5>", "a", [("x", -0.5)]),
        ("no tag, 3 < 4 > 2", "no tag, 3 < 4 > 2", []),
    ],
)
def test_tags_become_loras(prompt: str, rest: str, loras: list[tuple[str, float]]):
    values = without_tags({"prompt": prompt})
    assert values["prompt"] == rest
    assert [(lora["name"], lora["weight"]) for lora in values.get("loras", [])] == loras


def test_tags_join_those_that_are_named_already():
    values = without_tags({"prompt": "a <lora:b:0.5>", "loras": ["a:1"]})
    assert values["loras"] == ["a:1", {"name": "b", "weight": 0.5}]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a <lora:>"}, {"prompt": "a <lora:style"},
        {"prompt": "a <lyco:style:1>"}, {"prompt": "a", "n_prompt": "b <lora:style:1>"},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_how_it_is_meant(fields: dict[str, str]):
    with pytest.raises(InputError, match=r"--lora NAME:0\.8"):
        without_tags(fields)


def test_a_name_that_ends_like_a_weight_is_told_apart(farm_home: Path):
    (farm_home / "loras").mkdir(parents=True)
    (farm_home / "loras" / "ratio 16:9.safetensors").touch()
    assert told_apart({"loras": ["Ratio 16:9", "style:0.8"]}, ModelSettings(farm_home))["loras"] == [
        {"name": "Ratio 16:9"},
        "style:0.8",
    ]
    assert told_apart({"prompt": "p"}, ModelSettings(farm_home)) == {"prompt": "p"}
