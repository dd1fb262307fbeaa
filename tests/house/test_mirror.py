"""Tests stand where what they test stands: of ``farm/x/y.py``, in ``tests/x/test_y.py`` or ``test_y_ASPECT.py``."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
TOP = ("model", "plugins", "dashboard")
"""Packages beside ``farm``; every other folder of tests is one of a package in ``farm``."""
WHOLE = ("afar", "attacks", "chaos", "hosts", "house", "whole")
"""Folders of tests that go through the whole farm, or look at the repository itself."""
MIRRORED = [
    path
    for path in sorted(TESTS.rglob("test_*.py"))
    if path.relative_to(TESTS).parts[0] not in WHOLE and path.parent != TESTS / "support"
]


def counterparts(test: Path) -> list[Path]:
    """Every place where a module, or a package, that ``test`` may be about would stand."""
    inside = test.relative_to(TESTS).parent
    package = (ROOT if inside.parts[:1] and inside.parts[0] in TOP else ROOT / "farm") / inside
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return [place for name in names for place in (package / f"{name}.py", package / name)]


@pytest.mark.parametrize("test", MIRRORED, ids=lambda path: str(path.relative_to(TESTS)))
def test_what_it_tests_exists(test: Path) -> None:
    places = counterparts(test)
    assert any(place.exists() for place in places), f"none of {[str(place.relative_to(ROOT)) for place in places]}"


@pytest.mark.parametrize(
    ("test", "module"),
    [
        ("store/artifacts/test_cache.py", "farm/store/artifacts/cache.py"),
        ("cluster/test_nodes_drain.py", "farm/cluster/nodes.py"),
        ("model/plan/test_orders.py", "model/plan/orders.py"),
        ("test_processes.py", "farm/processes.py"),
    ],
)
def test_places_are_found(test: str, module: str) -> None:
    assert ROOT / module in counterparts(TESTS / test)
    assert not any(place.exists() for place in counterparts((TESTS / test).with_name("test_nothing_of_that_name.py")))
