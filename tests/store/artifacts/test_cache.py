"""The cache of a machine: bounded, shared by its processes, and never half of anything."""

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from farm.errors import StorageError
from farm.store.artifacts.cache import Cache
from tests.support.api import LiveFarm
from tests.support.disks import small_disk
from tests.support.stores import Place, noise


def put(cache: Cache, data: bytes) -> str:
    with cache.incoming() as incoming:
        incoming.write(data)
        return cache.keep(incoming)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 10_000)


def test_what_is_written_is_read_from_it(cache: Cache):
    name = put(cache, b"data")
    assert name == hashlib.sha256(b"data").hexdigest()
    assert cache.read(name) == b"data"
    assert cache.read("0" * 64) is None and cache.lend("0" * 64) is None


def test_the_least_recently_used_go_first(cache: Cache):
    names = []
    for digit in range(10):
        names.append(put(cache, bytes([digit]) * 1000))
        path = cache.lend(names[-1])
        assert path is not None
        os.utime(path, ns=(digit, path.stat().st_mtime_ns))
    cache._lent.clear()
    assert cache.read(names[0]) is not None
    put(cache, bytes(500))
    assert cache.size() <= 10_000
    assert [cache.read(name) is not None for name in names[:4]] == [True, False, False, True]


def test_files_in_use_stay(cache: Cache):
    read, lent = put(cache, b"r" * 4000), put(cache, b"l" * 4000)
    with cache.open(read) as file:  # type: ignore[union-attr]
        path = cache.lend(lent)
        for digit in range(8):
            put(cache, bytes([digit]) * 3000)
        assert file.read() == b"r" * 4000
        assert path is not None and path.read_bytes() == b"l" * 4000
        assert cache.size() <= 8000 + 3000
    put(cache, bytes(3000))
    assert cache.read(read) is None


def test_a_damaged_file_is_not_served(cache: Cache):
    name = put(cache, b"data")
    path = cache.lend(name)
    assert path is not None
    path.write_bytes(b"dat")
    assert cache.read(name) is None and not path.exists()


def test_a_damaged_file_is_fetched_again(head: LiveFarm, head_place: Place):
    artifact = head_place.store().write("t/x", b"data")
    (path,) = head_place.cached()
    path.write_bytes(b"atad")
    assert head_place.store().read("t/x", artifact.sha256) == b"data"


def test_what_a_node_wrote_it_does_not_ask_for(head: LiveFarm, head_place: Place):
    artifact = head_place.store().write("t/x", noise(1000))
    head.artifacts.remove_prefix("t/x")
    assert len(head_place.store().read("t/x", artifact.sha256)) == 1000


def test_nothing_is_left_in_temporary_folders(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    artifact = place.store("a").write("t/x", noise(1_000_000))
    for _ in range(3):
        place.store("b").whole(artifact)
        place.store("b").path("t/x")
    assert list(temporary.iterdir()) == []
    assert len(place.cached("b")) == (0 if place.url.startswith("file") else 1)


def test_a_full_disk_of_the_cache_is_not_the_heads_fault(head: LiveFarm, head_place: Place, tmp_path: Path):
    (tmp_path / "nodes").mkdir()
    with small_disk(tmp_path / "nodes" / "a", "1m"):
        with pytest.raises(StorageError, match=r"can't write the cache .*nodes/a.* of this machine: No space left"):
            head_place.store("a").write("t/x", noise(2_000_000))
    assert not head.artifacts.exists("t/x")


@pytest.mark.parametrize("options", ["68k", "1m,nr_inodes=3", "1m,nr_inodes=4"], ids=["bytes", "folder", "lock"])
def test_a_full_disk_is_told_as_the_caches_own_wherever_it_is_met(tmp_path: Path, options: str):
    with small_disk(tmp_path / "disk", options) as disk:
        cache = Cache(disk.path, 10_000_000)
        with pytest.raises(StorageError, match=r"can't write the cache .*disk.* of this machine: No space left"):
            for digit in range(20):  # each less than what is written at once
                put(cache, bytes([digit]) * 6000)
        assert not list((disk.path / "incoming").iterdir())


WORKER = """
    import os, random, sys
    from pathlib import Path
    from farm.store.artifacts.cache import Cache
    cache = Cache(Path(sys.argv[1]), 200_000)
    contents = [bytes([n]) * 10_000 for n in range(60)]
    import hashlib
    names = [hashlib.sha256(data).hexdigest() for data in contents]
    chosen = random.Random(int(sys.argv[2]))
    most = missed = 0
    for turn in range(1500):
        n = chosen.randrange(60)
        if turn % 3:
            data = cache.read(names[n])
            missed += data is None
            assert data is None or data == contents[n]
            if path := cache.lend(names[n]):
                assert path.read_bytes() == contents[n]
        else:
            with cache.incoming() as incoming:
                incoming.write(contents[n])
                assert cache.keep(incoming) == names[n]
        while len(cache._lent) > 4:
            cache._lent.popitem(last=False)[1].close()
    assert 0 < missed < 1000, missed
    cache._lent.clear()
"""


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(WORKER), *arguments], stderr=subprocess.PIPE)


def test_two_processes_share_it(tmp_path: Path):
    workers = [start(str(tmp_path), str(seed)) for seed in range(2)]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said.decode()
    cache = Cache(tmp_path, 200_000)
    cache.make_room()
    assert 0 < cache.size() <= 200_000
    assert not list((tmp_path / "incoming").iterdir())


def test_a_killed_process_leaves_nothing_half(tmp_path: Path):
    code = """
        import os, sys
        from pathlib import Path
        from farm.store.artifacts.cache import Cache
        with Cache(Path(sys.argv[1]), 10**9).incoming() as incoming:
            incoming.write(bytes(5_000_000))
            print("half", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdout is not None and worker.stdout.readline() == b"half\n"
    cache = Cache(tmp_path, 10**9)
    cache.make_room()
    assert len(list((tmp_path / "incoming").iterdir())) == 1, "its writer lives"
    worker.kill()
    worker.wait()
    cache.make_room()
    assert cache.size() == 0 and not list((tmp_path / "incoming").iterdir())
