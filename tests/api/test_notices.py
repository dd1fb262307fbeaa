"""Who is told of what, over HTTP."""

import pytest

from farm.client import FarmClient
from farm.errors import InputError
from farm.notify.outbox import Outbox
from tests.support.api import LiveFarm


def test_rules_are_listed_without_secrets_and_can_be_tried(farm: LiveFarm, client: FarmClient) -> None:
    assert client.notices() == {"rules": [], "deliveries": []}
    path = farm.settings.home / "notify.toml"
    path.write_text('[[notify]]\nname = "note"\non = ["job_failed"]\ncommand = ["sh", "-c", "true"]\n')
    try:
        (rule,) = client.notices()["rules"]
        assert rule["way"] == "command sh -c true" and rule["on"] == ["job_failed"]
        delivery = client.try_rule("note")
        assert (delivery["state"], delivery["notice"]["event"]) == ("waiting", "job_failed")
        Outbox(farm.settings, farm.store).round()
        (told,) = client.notices()["deliveries"]
        assert told["state"] == "sent", told["message"]
        with pytest.raises(InputError, match="Did you mean 'note'"):
            client.try_rule("noty")
        path.write_text("x = 1")
        with pytest.raises(InputError, match="x: unknown key"):
            client.notices()
    finally:
        path.unlink()
