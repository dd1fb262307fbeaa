"""A sender of a plug-in, in a process of its own, by the rules of notify.toml."""

import json
import sys
from pathlib import Path

import pytest

from farm.errors import UndeliveredError
from farm.notify.notice import Happening, Notice
from farm.notify.outbox import Outbox
from farm.notify.rules import Rule
from farm.notify.senders.plugin import problem, send
from farm.settings import Settings
from farm.store.jobs import JobStore
from plugins.manager import get_manager
from tests.support.jobs import submit

PLUGIN = """
import json
from pathlib import Path
from plugins import hookimpl
from plugins.exporters import Options

class BoardOptions(Options):
    file: str
    times: int = 1

class Board:
    name = "board"
    options = BoardOptions

    def send(self, notice, options):
        if options.times > 8:
            raise RuntimeError("the board is full")
        with Path(options.file).open("a") as board:
            board.write((json.dumps(dict(notice)) + "\\n") * options.times)

@hookimpl
def farm_senders():
    return [Board()]
"""
NOTICE = Notice("k", Happening.JOB_FAILED, "2026-01-01T00:00:00Z", "the disk was full", "3f2a77c0", "Wellen äöü", "ann")


@pytest.fixture
def board(settings: Settings) -> Settings:
    settings.plugins_dir.mkdir(parents=True, exist_ok=True)
    (settings.plugins_dir / "boards.py").write_text(PLUGIN)
    return settings


def rule(sender: str = "board", **options: object) -> Rule:
    return Rule(name="b", on=(Happening.JOB_FAILED,), sender=sender, options=options)


def test_it_is_given_the_notice_and_its_options(board: Settings, tmp_path: Path) -> None:
    told = tmp_path / "told"
    send(rule(file=str(told), times=2), NOTICE, get_manager(board))
    first, second = map(json.loads, told.read_text().splitlines())
    assert first == second == {**NOTICE.to_json(), "title": "Wellen äöü: job failed"}
    assert "farm_plugin_boards" not in sys.modules


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (rule("bored", file="x"), "unknown sender 'bored'. Did you mean 'board'"),
        (rule(file="x", times="many"), "option times of sender board is 'many'"),
        (rule(file="x", color="red"), "option of sender board 'color'"),
        (rule(), "file"),
        (rule(file="x", times=9), "RuntimeError: the board is full"),
    ],
)
def test_what_can_not_be_told_says_why(board: Settings, wanted: Rule, said: str) -> None:
    with pytest.raises(UndeliveredError, match=said):
        send(wanted, NOTICE, get_manager(board))


def test_rules_that_can_not_work_are_known_before(board: Settings) -> None:
    plugins = get_manager(board)
    assert problem(rule(file="x"), plugins) == ""
    assert "unknown sender" in problem(rule("bored"), plugins)
    assert "color" in problem(rule(file="x", color="red"), plugins)


def test_the_outbox_tells_by_it(board: Settings, tmp_path: Path) -> None:
    told = tmp_path / "told"
    text = f'[[notify]]\nname = "b"\non = ["job_cancelled"]\nsender = "board"\noptions = {{ file = "{told}" }}\n'
    (board.home / "notify.toml").write_text(text)
    store = JobStore(board.database_url)
    store.migrate()
    outbox = Outbox(board, store)
    outbox.round()
    store.cancel_job(submit(store, name="Waves").id)
    outbox.round()
    (line,) = told.read_text().splitlines()
    assert json.loads(line)["name"] == "Waves"
    assert [each.state for each in store.newest_deliveries()] == ["sent"]
    store.close()
