"""Orders of plug-ins: asked in a process of their own when a job is queued, and never needed again."""

import sys
from collections.abc import Iterator

import pytest

from farm.errors import InputError
from farm.intake.planning import plan_for
from farm.intake.request import build_request
from farm.settings import Settings
from model.plan.orders import forget_order, order_names
from plugins.manager import PluginManager, get_manager
from tests.support.api import picture

PLUGIN = """
from model.plan.orders import Link, Order
from plugins import hookimpl

def links(count):
    {body}

@hookimpl
def farm_orders():
    return [Order({name!r}, "first to last", links, needs_future=False)]
"""
GOOD = "return [Link(i, past=i - 1 if i else None) for i in range(count)]"
FIELDS = {"prompt": "The puppet waves", "total_second_length": 3.6, "seed": 1}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test makes known is not known after it."""
    yield
    forget_order("mine")


def write(settings: Settings, body: str = GOOD, name: str = "mine") -> None:
    settings.plugins_dir.mkdir(parents=True, exist_ok=True)
    (settings.plugins_dir / "ordering.py").write_text(PLUGIN.format(body=body, name=name))


def reason(settings: Settings) -> str:
    (info,) = (info for info in get_manager(settings).plugins if info.name == "ordering")
    assert info.enabled is not bool(info.reason)
    return info.reason


def test_a_job_keeps_what_the_order_gave(settings: Settings) -> None:
    write(settings)
    manager = PluginManager(settings.plugins_dir, packages=False)
    assert manager.plugins[-1].offers == ("order mine",) and "mine" in order_names()
    made = build_request({**FIELDS, "order": "Mine"}, picture(), plugins=manager)
    assert made.order == "mine=3:0,1<0,2<1"
    assert "farm_plugin_ordering" not in sys.modules
    forget_order("mine")
    (settings.plugins_dir / "ordering.py").unlink()
    plan = plan_for(made.request)
    assert plan.order == "mine"
    assert plan.sections == plan_for(made.request.model_copy(update={"order": "vanilla"})).sections
    again = build_request({**FIELDS, "order": made.order}, picture())
    assert again.request == made.request
    with pytest.raises(InputError, match="lists links for 3 sections, and this video has 6"):
        build_request({**FIELDS, "order": made.order, "total_second_length": 7.2}, picture())


@pytest.mark.parametrize(
    ("body", "name", "said"),
    [
        ("return [Link(0)]", "mine", "order 'mine' of 2 sections: it lists 1"),
        ("return [Link(i, future=i + 1) for i in range(count)]", "mine", "the future of section 0 is 1"),
        (GOOD, "bisect", "that no order of the farm has"),
        (GOOD, "fanout:3", "that no order of the farm has"),
        (GOOD, "a=b", "expected a name of a-z"),
        ("raise ValueError('no idea')", "mine", "ValueError: no idea"),
    ],
)
def test_what_is_no_order_is_disabled_with_the_reason(settings: Settings, body: str, name: str, said: str) -> None:
    write(settings, body, name)
    assert said in reason(settings)


def test_trouble_with_one_length_is_that_jobs_alone(settings: Settings) -> None:
    write(settings, "return 1 / 0 if count == 4 else [Link(i) for i in range(count)]")
    assert not reason(settings)
    manager = get_manager(settings)
    with pytest.raises(InputError, match="order 'mine': plug-in ordering: ZeroDivisionError"):
        build_request({**FIELDS, "order": "mine", "total_second_length": 4.8}, picture(), plugins=manager)
    assert build_request({**FIELDS, "order": "mine"}, picture(), plugins=manager).order == "mine=3:0,1,2"
