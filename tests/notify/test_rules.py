"""Whom to tell of what, as people write it."""

from pathlib import Path

import pytest

from farm.errors import InputError
from farm.notify.notice import Happening, Notice
from farm.notify.rules import WHEN_IDLE, read_rules

GOOD = """
[smtp]
host = "mail.example.org"
sender = "farm@example.org"
password = "secret"

[[notify]]
name = "hook"
on = ["job_completed", "job_failed"]
owner = "ann"
url = "https://user:pass@chat.example.org/hooks/42"
secret = "abc"

[[notify]]
name = "mail"
on = ["node_lost"]
mail = ["ann@example.org"]
"""


def notice(event: Happening, owner: str = "", job: str = "") -> Notice:
    return Notice("k", event, "2026-01-01", "m", job=job, owner=owner)


def test_rules_say_who_wants_what(tmp_path: Path) -> None:
    (tmp_path / "notify.toml").write_text(GOOD)
    hook, mail = read_rules(tmp_path).notify
    assert hook.wants(notice(Happening.JOB_FAILED, "ann", "j")) and not mail.wants(notice(Happening.JOB_FAILED))
    assert not hook.wants(notice(Happening.JOB_FAILED, "ben", "j"))
    assert (hook.way, mail.way) == ("https://chat.example.org", "mail to ann@example.org")
    assert "='secret'" not in repr(read_rules(tmp_path)) and "abc" not in repr(hook)


def test_none_without_a_file_and_a_command_for_an_empty_queue(tmp_path: Path) -> None:
    assert read_rules(tmp_path).notify == ()
    (rule,) = read_rules(tmp_path, "systemctl suspend 'now or never'").notify
    assert (rule.name, rule.command) == (WHEN_IDLE, ("systemctl", "suspend", "now or never"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "x: unknown key"),
        ('[[notify]]\nname = "a"\non = ["job_done"]\nurl = "http://a"', "notify.0.on.0: "),
        ('[[notify]]\nname = "a"\non = ["job_failed"]', "one of url, mail, command and sender"),
        ('[[notify]]\nname = "a"\non = ["job_failed"]\nurl = "ftp://a"', "notify.0.url"),
        ('[[notify]]\nname = "a"\non = ["job_failed"]\nmail = ["a@b.c"]', "[smtp] with host"),
        ('[[notify]]\nname = "a b"\non = ["job_failed"]\nurl = "http://a"', "notify.0.name"),
        ("no toml", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "notify.toml").write_text(text)
    with pytest.raises(InputError) as raised:
        read_rules(tmp_path)
    assert message in str(raised.value) and "notify.toml" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["'", " "])
def test_a_command_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        read_rules(tmp_path, text)
