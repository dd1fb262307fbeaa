"""Errors find the field that they are about, by the farm's own words."""

import pytest

from dashboard.views.beside import field_of
from farm.client import FarmClient
from farm.errors import ClusterError, FarmError
from tests.support.api import picture


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": "[0s-99s: x]"}, "prompt"),
        ({"prompt": "[2s: ]"}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"loras": ["nobody"]}, "loras"),
        ({"keyframes": [1.0]}, "media"),
        ({"total_second_length": 9999}, "length"),
        ({"image_position": 2}, "image"),
        ({"steps": 0}, ""),
    ],
)
def test_what_the_farm_refuses_is_told_where_it_was_typed(client: FarmClient, fields: dict, field: str):
    with pytest.raises(FarmError) as refused:
        client.check(picture(), {"prompt": "x", **fields})
    assert field_of(refused.value) == field


def test_a_farm_out_of_reach_is_nobodys_fault():
    assert field_of(ClusterError("no farm answers the prompt")) == ""
