"""Step caches of plug-ins: imported where a section is rendered, and the same one that the job was queued with."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from farm.cluster.looking import look_around
from farm.errors import InputError
from farm.intake.needs import assets_for
from farm.intake.request import accept
from farm.jobs.assets import AssetKind
from farm.settings import Settings
from farm.work.reference import render_in_process
from model.cache_kinds import cache_text, find_cache, forget_cache, short_cache
from plugins.caches import ensure_cache
from plugins.manager import get_manager
from tests.support.api import picture
from tests.support.farms import Farm, tiny

__all__ = ["tiny"]

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
(EXAMPLE,) = (code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "EveryOther" in code)
NAME = "every-other"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test makes known is not known after it."""
    yield
    forget_cache(NAME)
    sys.modules.pop("farm_plugin_skipping", None)


@pytest.fixture
def farm(tiny: Path, settings: Settings) -> Farm:
    settings.plugins_dir.mkdir(parents=True, exist_ok=True)
    (settings.plugins_dir / "skipping.py").write_text(EXAMPLE)
    return Farm(settings)


def test_the_guides_example_skips_every_other_step_of_each_branch(farm: Farm) -> None:
    fields = {"cache": "Every-Other", "steps": 4, "total_second_length": 1.2, "cfg": 2.0}
    job = farm.job(**fields)
    assert re.fullmatch(rf"{NAME}@[0-9a-f]{{64}}", job.request.cache) and short_cache(job.request.cache) == NAME
    assert "farm_plugin_skipping" not in sys.modules, "it is not imported where jobs are queued"
    done = render_in_process(farm.store, farm.artifacts, job.id, settings=farm.settings)
    assert done.state == "completed", done.error
    made = next(a for a in farm.store.attempts(job.id) if a.task_id.endswith("section-000"))
    assert list(made.facts["computed"].values()) == [2, 2], "of four steps of each branch"
    whole = farm.job(**{**fields, "cache": "none"})
    render_in_process(farm.store, farm.artifacts, whole.id)
    (skipped,), (full,) = farm.latents(job.id).values(), farm.latents(whole.id).values()
    assert not torch.equal(skipped, full)


def test_machines_say_what_they_have_and_jobs_what_they_need(farm: Farm) -> None:
    accepted = accept({"prompt": "p", "cache": NAME}, picture(), plugins=get_manager(farm.settings))
    (needed,) = (asset for asset in assets_for(accepted) if asset.kind is AssetKind.CACHE)
    assert needed in (look_around(farm.settings).assets or ())
    (farm.settings.plugins_dir / "skipping.py").write_text(EXAMPLE + "\n# changed\n")
    assert needed not in (look_around(farm.settings).assets or ())


def test_another_version_is_not_taken_for_it(farm: Farm) -> None:
    ensure_cache(f"{NAME}@1234", farm.settings)
    with pytest.raises(InputError, match="is another one here than is meant"):
        find_cache(f"{NAME}@1234")
    with pytest.raises(InputError, match="Did you mean 'every-other'"):
        cache_text("evry-other")
    assert cache_text(NAME) == accept({"prompt": "p", "cache": NAME}, picture()).request.cache


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('name = "every-other"', 'name = "tea"'), "called 'tea' exists already"),
        (("def prepare", "def make"), "prepare()"),
    ],
)
def test_what_is_no_cache_is_disabled_with_the_reason(farm: Farm, change: tuple[str, str], said: str) -> None:
    (farm.settings.plugins_dir / "skipping.py").write_text(EXAMPLE.replace(*change))
    (info,) = (info for info in get_manager(farm.settings).plugins if info.name == "skipping")
    assert not info.enabled and said in info.reason
