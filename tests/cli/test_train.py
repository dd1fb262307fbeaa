"""`farm train lora`: what it says, and when."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.clips import clip
from tests.support.released import released_folder

CONFIG = """
family = "framepack-f1"
name = "bar"
[[data]]
folder = "clips"
[lora]
rank = 2
[learning]
steps = 2
"""


@pytest.fixture
def config(tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config with one clip, for F1 on a tiny checkpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARM_FRAMEPACK_F1_PATH", str(released_folder(tmp_path / "parts")))
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(clip(40))
    (tmp_path / "clips" / "a.txt").write_text("A bar moves.")
    (tmp_path / "bar.toml").write_text(CONFIG)
    return tmp_path / "bar.toml"


@pytest.fixture
def train(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`farm train lora` on one thread of the CPU; denormals stay what they are for other tests."""
    monkeypatch.setattr(torch, "set_flush_denormal", lambda on: True)
    return lambda *args: run("train", "lora", *args, "--device", "cpu", "--threads", "1")


def test_it_says_what_it_found_how_far_it_is_and_what_it_made(train: Callable[..., Any], config: Path) -> None:
    outcome = train(config)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[:2] == ["files 0/1", "files 1/1"] and "clips 1/1" in lines and "captions 2/2" in lines
    assert "1 clip, 1 section; memory: resident" in lines
    assert any(line.startswith("learning 1/2 loss ") for line in lines)
    assert lines[-1] == "done: runs/bar/bar.safetensors" and Path("runs/bar/bar.safetensors").is_file()
    again = train(config, "--out", "runs/bar")
    assert again.code == 0 and "learning" not in again.out


def test_check_encodes_and_ends(train: Callable[..., Any], config: Path) -> None:
    outcome = train(config, "--check", "--cache", "here")
    assert outcome.code == 0 and "memory: resident" in outcome.out
    assert not Path("runs").exists() and list(Path("here").glob("??/*.safetensors"))


@pytest.mark.parametrize(
    ("name", "spoiled", "message"),
    [
        ("bar.toml", CONFIG.replace("rank", "rang").encode(), "unknown key in lora 'rang'. Did you mean 'rank'?"),
        ("bar.toml", CONFIG.replace("-f1", "-f2").encode(), "Did you mean 'framepack-f1'?"),
        ("clips/a.txt", b"", "a.mp4: it has no caption; write what it shows into a.txt"),
        ("clips/a.mp4", clip(30), "it has 30 frames at 30 a second; a section"),
    ],
)
def test_faults_are_one_line_before_anything_is_encoded(
    train: Callable[..., Any], config: Path, farm_home: Path, name: str, spoiled: bytes, message: str
) -> None:
    (config.parent / name).write_bytes(spoiled)
    outcome = train(config)
    assert outcome.code == 2 and message in outcome.err and len(outcome.err.splitlines()) == 1
    assert not list(farm_home.rglob("*.safetensors"))


def test_its_help_and_a_wrong_config_need_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, farm.cli; assert farm.cli.main(['train', 'lora', '--help']) == 0;"
        f"assert farm.cli.main(['train', 'lora', {str(tmp_path / 'none.toml')!r}]) == 2;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
