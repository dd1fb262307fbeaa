"""``farm notices``: who is told of what, and whether that worked."""

import time
from typing import Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Token, Url, connect
from farm.errors import UndeliveredError

TEST_SECONDS = 75.0
"""Longest time that a test is waited for: longer than a command may take."""


def notices(
    test: Annotated[str | None, typer.Option("--test", metavar="RULE", help="Have this rule told of a test.")] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List who is told of what, from FARM_HOME/notify.toml of the head, and what was told lately.

    Example: farm notices --test studio-hook
    """
    with connect(url, token) as client:
        if test is not None:
            key, deadline = client.try_rule(test)["key"], time.monotonic() + TEST_SECONDS
            while True:
                (found,) = (each for each in client.notices()["deliveries"] if each["key"] == key)
                if found["state"] != "waiting" or found["tries"] or time.monotonic() > deadline:
                    break
                time.sleep(0.3)
            if found["state"] != "sent":
                raise UndeliveredError(
                    f"{test} was not told: {found['message'] or 'the farm has not got round to it'}."
                )
        answer = client.notices()
    if as_json:
        output.print_json(answer)
        return
    console = output.console()
    rules = output.table("Rule", "Told of", "Of whose jobs", "How")
    for rule in answer["rules"]:
        rules.add_row(
            rule["name"],
            ", ".join(rule["on"]),
            rule["owner"] or "everybody's",
            output.plain(_way(rule)),
        )
    console.print(rules if answer["rules"] else "Nobody is told. Write FARM_HOME/notify.toml: see docs/notices.md.")
    told = output.table("When", "Rule", "What", "State", "Tries>", "")
    for each in answer["deliveries"]:
        about = " ".join(filter(None, (each["notice"]["event"], each["notice"]["name"] or each["notice"]["job"][:8])))
        told.add_row(
            output.clock(each["created_at"]),
            each["rule"],
            output.plain(about),
            output.state(each["state"]),
            str(each["tries"]),
            output.plain(each["message"]),
        )
    if answer["deliveries"]:
        console.print(told)


def _way(rule: dict[str, Any]) -> str:
    """How a rule tells, and why that can't work."""
    return f"{rule['way']}: {rule['problem']}" if rule.get("problem") else str(rule["way"])
