"""What holds for every command: help, exit codes, one line per failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cli import errors
from farm.cli.app import GROUPS, NAMES, PANELS
from farm.errors import ConflictError, InputError


def farm(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "farm", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environ})


COMMANDS = [NAMES.get(command, command.__name__) for commands in PANELS.values() for command in commands]


def test_help_lists_every_command_without_heavy_imports():
    code = (
        "import sys, farm.cli; assert farm.cli.main(['--help']) == 0;"
        "heavy = {'torch', 'ray', 'sqlalchemy', 'fastapi', 'streamlit', 'diffusers', 'av', 'httpx'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    for name in [*COMMANDS, *GROUPS]:
        assert f" {name} " in found.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run, name: str):
    outcome = run(name, "--help")
    assert outcome.code == 0 and f"farm {name}" in outcome.out
    assert len(outcome.out.splitlines()) > 4


def test_help_shows_every_word_of_it_in_whole_paragraphs(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = " ".join(run("bench", "magcache", "--help").out.split())
    assert "prints what to put under [values] of a preset" in shown
    lines = [line.strip() for line in run("up", "--help").out.splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("Unfinished jobs"))
    assert len(lines[at + 1]) > 30, "a paragraph is not broken where the source is"


def test_no_arguments_print_the_help(run):
    assert "Usage" in run().out


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["rendr"], "No such command 'rendr'"),
        (["jobs", "--sate", "failed"], "--sate"),
        (["submit"], "there is no prompt; say with --prompt"),
        (["jobs", "--limit", "many"], "limit"),
        (["plan", "--seconds", "0"], "length 0"),
        (["plan", "--seconds", "nan"], "length nan"),
        (["plan", "--order", "bisekt"], "Did you mean 'bisect'"),
        (["presets", "show", "danse"], "Did you mean 'Dance'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run, checkpoint: Path, monkeypatch, args: list[str], expected: str):
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    outcome = run(*args)
    assert outcome.code == 2 and outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: ") and expected in line


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("bad\nthing"), 2, "error: bad thing"),
        (ConflictError("busy"), 1, "error: busy"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("x"), 1, "error: ZeroDivisionError: x (this is a bug in the farm; --debug shows where)"),
    ],
)
def test_each_failure_has_its_exit_code(capsys, error: BaseException, code: int, line: str):
    def fail(args):
        raise error

    assert errors.run(fail, []) == code
    assert capsys.readouterr().err == line + "\n"


def test_debug_anywhere_on_the_line_or_by_environment_shows_the_traceback(capsys, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def fail(args):
        seen.append(list(args))
        raise ConflictError("busy")

    errors.run(fail, ["jobs", "--debug", "--", "--debug"])
    assert seen == [["jobs", "--", "--debug"]]
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("FARM_DEBUG", "1")
    errors.run(fail, [])
    assert "Traceback" in capsys.readouterr().err


def test_module_and_command_are_the_same():
    assert farm("--version").stdout.startswith("framepack-farm ")


def test_ctrl_c_while_waiting_exits_with_130(tmp_path: Path):
    """The command hangs on a server that never answers; SIGINT ends it in one line."""
    import signal
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "farm", "jobs", "--url", url], stderr=subprocess.PIPE, text=True
        )
        server.settimeout(60)
        connection, _ = server.accept()
        connection.recv(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr and process.stderr.read() == "interrupted\n"
        connection.close()


def test_closed_pipe_is_silent():
    process = subprocess.run(
        f"{sys.executable} -m farm --help | head -c 1", shell=True, capture_output=True, text=True, timeout=60
    )
    assert process.stderr == ""


def test_loras_lists_files_and_what_does_not_fit(run, checkpoint, farm_home, monkeypatch):
    import torch
    from safetensors.torch import save_file

    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    assert "No LoRAs. Put safetensors files into" in run("loras").out
    folder = farm_home / "loras"
    folder.mkdir(parents=True)
    module = "transformer.transformer_blocks.0.attn.to_q"
    for name, width in (("style", 24), ("large", 3072)):
        weights = {f"{module}.lora_A.weight": torch.ones(2, width), f"{module}.lora_B.weight": torch.ones(width, 2)}
        save_file(weights, folder / f"{name}.safetensors")
    rows = {row["name"]: row for row in json.loads(run("loras", "--model", "puppet", "--json").out)}
    assert rows["style"]["fits"] and rows["style"]["rank"] == 2
    assert "it is for another model" in rows["large"]["error"]
    refused = run("render", "nothing.png", "-p", "x", "--lora", "style")
    assert refused.code == 2 and "nothing.png" in refused.err
