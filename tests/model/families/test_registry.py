"""A family's facts are read from its checkpoint, or refused with the field that is at fault."""

from dataclasses import replace

import pytest

from farm.errors import CheckpointError
from model.families import checkpoint
from model.families.registry import _info
from tests.support.machine import here


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"layout": "f1k1_x_td_f16k4f2k2f1k1_g9+D"}, r"bad or missing field \(layout .*discretised \(\+D\)"),
        ({"layout": "f1k1"}, "has no window"),
        ({"cache": "tee"}, "unknown cache 'tee'"),
        ({"fps": "many"}, "bad or missing field"),
        ({"buckets": [[64]]}, "bad or missing field"),
    ],
)
def test_bad_facts_are_refused(facts: dict[str, object], message: str) -> None:
    puppet = checkpoint("puppet", here())
    with pytest.raises(CheckpointError, match=message) as caught:
        _info("puppet", replace(puppet, family={**puppet.family, **facts}))
    assert "family.json" in str(caught.value)
