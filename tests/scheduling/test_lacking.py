"""What nodes lack: told for every kind of asset, with what brings it there."""

from dataclasses import replace

import pytest

from farm.jobs.assets import Asset, AssetKind
from farm.scheduling.codes import Code
from farm.scheduling.lacking import lacking
from farm.scheduling.records import SeatView

SEAT = SeatView("n1/cpu-0", "n1", "CPU")


@pytest.mark.parametrize("kind", list(AssetKind))
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("other", [False, True])
def test_every_kind_of_asset_is_told(kind: AssetKind, nodes: int, other: bool) -> None:
    asset = Asset(kind, "mine", "1234")
    there = frozenset({Asset(kind, "mine", "5678")} if other else ())
    seats = [replace(SEAT, id=f"n{n}/cpu-0", node=f"n{n}", assets=there) for n in range(nodes)]
    reason = lacking(frozenset({asset}), seats, {})
    assert "mine" in reason.text and reason.details["others"] is other
    plugins = kind not in (AssetKind.MODEL, AssetKind.LORA)
    assert (reason.code is Code.NO_PLUGIN) == plugins
    assert ("plug-in of" in reason.text) == plugins


def test_the_kind_of_plug_in_is_named() -> None:
    for kind, word in ((AssetKind.POST, "post-processor sharper"), (AssetKind.CACHE, "step cache sharper")):
        reason = lacking(frozenset({Asset(kind, "sharper", "1")}), [replace(SEAT, assets=frozenset())], {})
        assert word in reason.text
