"""The tests that are marked ``gpu``, where the source is at hand."""

import re
import subprocess
import sys
from pathlib import Path

from .run import Emit, Setup

ROOT = Path(__file__).parents[3]


def run(setup: Setup, emit: Emit) -> None:
    if not (ROOT / "tests").is_dir():
        emit({"name": "pytest -m gpu", "problem": "the tests are not installed with the program"})
        return
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "gpu",
        "-q",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        "tests/model",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=max(1.0, setup.seconds - 2), check=False
    )
    lines = done.stdout.strip().splitlines()
    counts = {
        word: int(number)
        for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", lines[-1] if lines else "")
    }
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR", "E  "))]
    problem = {} if counts else {"problem": (done.stderr.strip().splitlines() or lines or ["no output"])[-1][:300]}
    emit({"name": "pytest -m gpu", **counts, **({"failures": failures[:20]} if failures else {}), **problem})
