"""Documents name only what exists: commands, options, make targets, files."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from farm.cli.app import app

ROOT = Path(__file__).parents[2]
MADE = ROOT / "docs" / "reference"
"""Pages that building the site makes from the code."""
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
PAGES += [page for page in sorted((ROOT / "docs").rglob("*.md")) if MADE not in page.parents]
SOURCES = [
    path for folder in ("farm", "model", "plugins", "dashboard") for path in sorted((ROOT / folder).rglob("*.py"))
]
ROOT_COMMAND = typer.main.get_command(app)


def lines_of(text: str) -> list[str]:
    """Shell lines of the fenced blocks, without comments, continuation lines joined."""
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def check_farm(words: list[str]) -> None:
    """``words`` follow ``farm``: commands exist, options belong to them."""
    command = ROOT_COMMAND
    names = {"--help", "-h", "--debug"}
    for word in words:
        if word.startswith("-"):
            option = word.split("=")[0]
            known = names | {name for parameter in command.params for name in parameter.opts}
            assert option in known, f"farm {' '.join(words)}: no option {option}"
        elif hasattr(command, "commands"):
            assert word in command.commands, f"farm {' '.join(words)}: no command {word}"
            command = command.commands[word]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_names_only_what_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in lines_of(text):
        words = shlex.split(line, comments=True)
        if words[:1] == ["farm"]:
            check_farm(words[1:])
        elif words[:1] == ["make"]:
            assert {w for w in words[1:] if "=" not in w} <= targets, line
    for span in re.findall(r"`farm ([^`]+)`", text):
        check_farm([w for w in span.split() if re.fullmatch(r"-{0,2}[a-z][a-z-]*", w)][:2])
    for target in re.findall(r"`make ([a-z]+)`", text):
        assert target in targets, target
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (page.parent / link).exists(), f"{page.name}: no {link}"
    for path in re.findall(r"`(tests/[\w/.]+)", text):
        assert (ROOT / path).exists(), f"{page.name}: no {path}"


def test_messages_and_docstrings_name_only_commands_that_exist():
    for path in SOURCES:
        for name in re.findall(r"`farm ([a-z]+)", path.read_text(encoding="utf-8")):
            assert name in ROOT_COMMAND.commands, f"{path.relative_to(ROOT)}: no command {name}"


def test_pitfalls_are_numbered_without_a_gap():
    tables = (ROOT / "docs/pitfalls.md").read_text(encoding="utf-8").split("\n## ")[1:]
    numbers = [[int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] for table in tables]
    assert numbers == [list(range(1, count + 1)) for count in (40, 12, 9)]


def test_every_pitfall_names_tests_and_paragraphs_that_exist():
    page = ROOT / "docs/pitfalls.md"
    for row in re.findall(r"^\| \d+ \|.*$", page.read_text(encoding="utf-8"), re.MULTILINE):
        tests = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", row)
        links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", row)
        assert tests or links, f"neither test nor reason: {row}"
        assert row.count("`tests/") == len(tests), f"can't be read: {row}"
        for path, name in tests:
            assert name in names_of_tests(ROOT / path), f"{path}: no test {name}"
        for path, heading in links:
            assert not heading or heading in headings_of(page.parent / path), f"{path}: no heading #{heading}"


def names_of_tests(path: Path) -> set[str]:
    """Names of the test functions in a file, those of classes as ``Class::name``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    scopes = [("", tree), *((f"{node.name}::", node) for node in tree.body if isinstance(node, ast.ClassDef))]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {prefix + node.name for prefix, scope in scopes for node in scope.body if isinstance(node, functions)}


def headings_of(page: Path) -> set[str]:
    """What a page's headings are called in links: lower case, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_has_a_docstring_that_ends_its_first_sentence():
    for name, command in ROOT_COMMAND.commands.items():
        assert (command.help or "").strip().splitlines()[0].rstrip().endswith((".", ";")), name


def test_version_is_stated_once():
    import tomllib
    from importlib.metadata import version

    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("framepack-farm") == stated


def test_hooks_are_whole():
    import yaml

    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert all(hook["entry"].startswith(".venv/bin/") for repo in hooks["repos"] for hook in repo["hooks"])


def messages() -> list[str]:
    """Every text in the code, ``...`` for what is put into it."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_every_message_under_troubleshooting_is_one_of_the_farm():
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \| ", text, re.MULTILINE)
    symptoms = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    assert len(symptoms) > 30
    known = messages()
    for symptom in symptoms:
        pattern = re.compile(".*?".join(map(re.escape, filter(None, symptom.split("...")))), re.DOTALL)
        assert any(pattern.search(each) for each in known), symptom


def test_every_page_is_in_the_site():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
    listed = {re.sub(r".*<(.*)>", r"\1", line) for block in blocks for line in block.splitlines()}
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= listed, "docs/index.md lists them"
