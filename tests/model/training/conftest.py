"""Small data sets, and the families framepack and framepack-f1 on tiny checkpoints."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from model.training.config import Recipe
from model.training.prepare import Prepared, prepare
from tests.support.clips import clip, flat
from tests.support.machine import here
from tests.support.released import released_folder

CONFIG = """
family = "{family}"
name = "bar"
triggers = ["b4r"]
[[data]]
folder = "clips"
{more}
"""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Results depend on the number of torch threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clips``: a video of two sections, a picture and their captions; and a start image."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "clips").mkdir()
    files = {"a.mp4": clip(80), "a.txt": b"A bar moves.", "b.png": flat("red"), "b.txt": b"All red."}
    for name, data in files.items():
        (folder / "clips" / name).write_bytes(data)
    (folder / "start.png").write_bytes(flat("navy"))
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: nothing is encoded twice."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of both families."""
    return released_folder(tmp_path_factory.mktemp("released") / "parts")


@pytest.fixture(scope="module")
def released(parts: Path) -> Iterator[Path]:
    """The same, to which both families point until the tests of the file are through."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_FRAMEPACK_PATH", str(parts))
        patch.setenv("FARM_FRAMEPACK_F1_PATH", str(parts))
        yield parts


@pytest.fixture(scope="module")
def recipe(shown: Path, released: Path) -> Callable[..., Recipe]:
    """A recipe for the clips in ``shown``: ``more`` lines of its config."""

    def make(more: str = "", family: str = "framepack") -> Recipe:
        file = shown / "bar.toml"
        file.write_text(CONFIG.format(family=family, more=more))
        return Recipe.read(file)

    return make


@pytest.fixture(scope="module")
def prepared(recipe: Callable[..., Recipe], cache: Path) -> Callable[..., Prepared]:
    """A checked training whose clips are encoded."""

    def make(more: str = "", family: str = "framepack", **options: Any) -> Prepared:
        return prepare(recipe(more, family), here(), "cpu", cache, **options)

    return make
