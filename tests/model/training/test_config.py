"""Configs of trainings: what is read, and what is said of faults."""

from pathlib import Path

import pytest

from farm.errors import InputError
from model.training.config import Recipe

GOOD = """
family = "framepack-f1"
name = "red coat"
title = "A red coat"
[[data]]
folder = "clips"
captions = { "a.mp4" = "She walks." }
[lora]
rank = 8
alpha = 4
[learning]
rate = 2e-4
[[samples]]
image = "start.png"
prompt = "She walks."
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_paths_are_seen_from_the_folder_of_the_config(config: Path) -> None:
    config.write_text(GOOD)
    recipe = Recipe.read(config)
    assert recipe.data[0].folder == config.parent / "clips" and recipe.samples[0].image == config.parent / "start.png"
    assert recipe.lora.scale == 0.5 and recipe.learning.rate == 2e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rank = 8", "rnak = 8"), "unknown key in lora 'rnak'. Did you mean 'rank'?"),
        (('title = "A red coat"', 'titel = "x"'), "unknown key 'titel'. Did you mean 'title'?"),
        (('prompt = "She walks."', 'promt = "x"'), "unknown key in samples.0 'promt'. Did you mean 'prompt'?"),
        (('folder = "clips"', 'foldr = "clips"'), "unknown key in data.0 'foldr'. Did you mean 'folder'?"),
        (("rank = 8", 'targets = ["atention"]'), "lora: unknown target 'atention'. Did you mean 'attention'?"),
        (("rank = 8", "rank = 0"), "lora.rank: input should be greater than or equal to 1."),
        (('folder = "clips"', "repeats = 2"), "data.0: name a folder or a file, and not both."),
        (('name = "red coat"', 'name = "../x"'), "name: "),
        (('name = "red coat"', ""), "name: field required."),
        (("[lora]", "[lora"), "not valid TOML"),
    ],
)
def test_a_fault_is_named_with_its_key_and_what_was_expected(
    config: Path, change: tuple[str, str], message: str
) -> None:
    assert change[0] in GOOD
    config.write_text(GOOD.replace(*change))
    with pytest.raises(InputError) as error:
        Recipe.read(config)
    assert message in str(error.value) and str(config) in str(error.value)


def test_a_config_that_is_not_there_is_said_so(config: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; docs/training\.md"):
        Recipe.read(config)
