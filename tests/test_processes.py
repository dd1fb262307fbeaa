"""Child processes end with their use, however either side ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from farm.processes import FAMILY, OWNER, Child, scratch_folder, sweep

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
RUNAWAY = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("started", flush=True)
{then}
"""


def alive(family: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(FAMILY) == family and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def test_nothing_of_a_child_is_left_behind() -> None:
    with Child(SLEEP, 30) as child:
        assert alive(child.family) == [child.process.pid]
    assert alive(child.family) == []


@pytest.mark.parametrize("then", ["", "time.sleep(60)", "os._exit(3)"], ids=["ends", "goes on", "leaves at once"])
def test_grandchildren_in_sessions_of_their_own_end_too(then: str) -> None:
    with Child([sys.executable, "-c", RUNAWAY.format(then=then)], 30) as child:
        assert child.stdout.readline() == b"started\n"
        assert alive(child.family)
    assert alive(child.family) == []


@pytest.mark.parametrize(("then", "expires"), [("time.sleep(60)", True), ("", False)], ids=["stays", "leaves"])
def test_reading_does_not_wait_for_a_grandchild_that_holds_the_pipe(then: str, expires: bool) -> None:
    """A child that stays is ended after its time; what one that left at once has left behind, with it."""
    begun = time.monotonic()
    with Child([sys.executable, "-c", RUNAWAY.format(then=then)], 2 if expires else 30) as child:
        with child.limited():
            assert child.stdout.read() == b"started\n"
        assert child.expired == expires
    assert time.monotonic() - begun < 20


def test_a_child_dies_with_its_parent() -> None:
    code = (
        "import subprocess, sys, time\n"
        "from farm.processes import Child\n"
        "child = Child([sys.executable, '-c', 'from farm.processes import die_with_parent; die_with_parent();"
        " import time; print(1, flush=True); time.sleep(60)'], 60)\n"
        "child.stdout.readline(); print(child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_sweeping_ends_what_dead_processes_left_and_nothing_else() -> None:
    """The orphan lost its parent, and the folder its owner; the other child's owner is this process."""
    code = (
        "import subprocess, sys, tempfile, os\n"
        "from farm.processes import OWNER, _started\n"
        "mark = {OWNER: f'{os.getpid()}:{_started(os.getpid())}'}\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], env={**os.environ, **mark},"
        " start_new_session=True, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, tempfile.mkdtemp(prefix=f'farm-{os.getpid()}-export-'), flush=True)"
    )
    dead = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    orphan, folder = dead.stdout.split()
    with Child(SLEEP, 30) as child, scratch_folder("test") as ours:
        assert psutil.pid_exists(int(orphan)) and Path(folder).is_dir()
        assert sweep() >= 2
        wait_until(lambda: not psutil.pid_exists(int(orphan)) or psutil.Process(int(orphan)).status() == "zombie")
        assert not Path(folder).exists()
        assert alive(child.family) and Path(ours).is_dir()
    assert not Path(ours).exists()


def test_marks_name_the_owner() -> None:
    with Child(SLEEP, 30) as child:
        environment = psutil.Process(child.process.pid).environ()
        assert environment[OWNER].partition(":")[0] == str(os.getpid())


def test_an_orphan_ends_before_it_begins() -> None:
    code = "from farm.processes import die_with_parent; die_with_parent(); print('went on')"
    environment = {**os.environ, OWNER: "1:0", "PYTHONPATH": "."}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stdout == ""


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
