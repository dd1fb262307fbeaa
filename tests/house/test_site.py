"""The documentation as a site: it builds without a warning, and the references hold what the code has."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from farm.jobs.submission import Submission
from tests.house.test_documents import ROOT, ROOT_COMMAND


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "trees"), "docs", str(folder / "html")]
    built = subprocess.run([sys.executable, "-m", "sphinx", *words], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_every_page_is_there_and_needs_no_network(site: Path) -> None:
    names = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert not [name for name in names if not (site / name).is_file()]
    for page in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text())
        assert not fetched, page


def test_references_hold_every_command_option_and_field(site: Path) -> None:
    commands, http = (plain(site / "reference" / f"{name}.html") for name in ("cli", "http"))
    for name, command in ROOT_COMMAND.commands.items():
        assert f"farm {name}" in commands
        assert not [option for each in command.params for option in each.opts if option not in commands], name
    _, _, fields = http.partition("Fields of a job")
    assert not [field for field in Submission.model_fields if f"\n{field}\n" not in fields]
    assert "[bold]" not in commands and "&quot;" not in commands


def plain(page: Path) -> str:
    """Its text, entities of code among them undone once."""
    return html.unescape(re.sub("<[^>]+>", "", page.read_text()))
