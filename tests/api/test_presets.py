"""Presets over HTTP: who may save, change and remove which."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farm.api import presets
from farm.client import FarmClient
from farm.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from plugins.preset_files import save_preset
from plugins.presets import Preset
from tests.api.test_authority import people, tokens
from tests.support.api import LiveFarm, picture

__all__ = ["people", "tokens"]

FIELDS = {"prompt": "The puppet waves", "total_second_length": 1.2}


def named(client: FarmClient, name: str) -> dict:
    return next(preset for preset in client.presets()["presets"] if preset["name"] == name)


def test_a_saved_preset_is_used_replaced_and_removed(client: FarmClient, farm: LiveFarm) -> None:
    made = client.save_preset("Slow / Wave", "Calm.", {"steps": 7, "gs": 9.0}, ["The puppet waves."])
    assert made["own"] and made["source"] == str(farm.settings.presets_dir / "slow-wave.toml")
    assert client.check(picture(), {**FIELDS, "preset": "slow / wave"})["request"]["steps"] == 7
    assert client.save_preset("slow / wave", "Calmer.", {"steps": 8})["source"] == made["source"]
    assert "Slow / Wave" not in [preset["name"] for preset in client.presets()["presets"]]
    with pytest.raises(InputError, match=r"values.stepz: unknown field 'stepz'. Did you mean 'steps'"):
        client.save_preset("Slow / Wave", "Calm.", {"stepz": 1})
    with pytest.raises(InputError, match="belongs to the user"):
        client.save_preset("Mine", "x", {"prompt": "x"})
    client.delete_preset("slow / wave")
    with pytest.raises(NotFoundError, match="there is no preset"):
        client.delete_preset("slow / wave")


def test_a_built_in_one_is_there_again_when_its_stand_in_is_removed(client: FarmClient) -> None:
    with pytest.raises(ConflictError, match="comes from built-in"):
        client.delete_preset("Dance")
    client.save_preset("Dance", "Mine.", {"steps": 3})
    assert named(client, "Dance")["values"] == {"steps": 3}
    client.delete_preset("Dance")
    assert named(client, "Dance")["source"] == "built-in" and not named(client, "Dance")["own"]


def test_artists_change_their_own_and_admins_all(people: dict[str, FarmClient]) -> None:
    assert people["ann"].save_preset("Ann's", "x", {"steps": 3})["owner"] == "ann"
    assert named(people["ann"], "Ann's")["own"] and not named(people["ben"], "Ann's")["own"]
    for change in (
        lambda other: other.save_preset("Ann's", "y", {}),
        lambda other: other.delete_preset("Ann's"),
    ):
        with pytest.raises(ForbiddenError, match="is ann's; save yours under another name"):
            change(people["ben"])
        with pytest.raises(ForbiddenError, match="vera is a viewer"):
            change(people["vera"])
    with pytest.raises(ForbiddenError, match="is the farm's"):
        people["ben"].save_preset("Dance", "y", {})
    with pytest.raises(ForbiddenError, match="takes an admin"):
        people["ann"].set_default_preset("puppet", "Ann's")
    assert people["ada"].save_preset("Ann's", "better", {})["owner"] == "ann"
    people["ann"].delete_preset("Ann's")


def test_of_two_who_take_a_name_at_once_one_gets_it(
    people: dict[str, FarmClient], farm: LiveFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[str] = []
    second = threading.Event()

    def slowly(folder: Path, preset: Preset, path: Path | None = None) -> Path:
        writers.append(preset.owner)
        if len(writers) > 1:
            second.set()
        second.wait(0.5)  # time for the other one to come in between, if that could be
        return save_preset(folder, preset, path)

    monkeypatch.setattr(presets, "save_preset", slowly)
    with ThreadPoolExecutor(2) as pool:
        asked = {name: pool.submit(people[name].save_preset, "Mine", f"{name}'s", {}) for name in ("ann", "ben")}
        errors = {name: future.exception() for name, future in asked.items()}
    (winner,) = writers
    (loser,) = {"ann", "ben"} - {winner}
    assert errors[winner] is None and isinstance(errors[loser], ForbiddenError)
    assert f"is {winner}'s; save yours under another name" in str(errors[loser])
    assert named(people["ada"], "Mine")["description"] == f"{winner}'s"
    people["ada"].delete_preset("Mine")


def test_a_model_starts_with_its_default_preset(client: FarmClient) -> None:
    try:
        assert named_default(client.set_default_preset("puppet", "hand movement")) == "Hand Movement"
        assert client.check(picture(), FIELDS)["request"]["steps"] == 35
        assert client.check(picture(), {**FIELDS, "preset": "Default"})["request"]["steps"] == 25
        with pytest.raises(InputError, match="unknown preset 'nobody'"):
            client.set_default_preset("puppet", "nobody")
    finally:
        assert named_default(client.set_default_preset("puppet", None)) is None


def named_default(answer: dict) -> str | None:
    return next((preset["name"] for preset in answer["presets"] if "puppet" in preset["default_for"]), None)
