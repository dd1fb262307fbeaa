"""The head's store over HTTP: cut connections, wrong hashes, full disks, killed clients, and who may come in."""

import hashlib
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from farm.errors import InputError, StorageError
from farm.settings import Settings
from farm.store.artifacts import http as transport
from farm.store.artifacts import open_store
from farm.store.artifacts.http import HeadTransport
from tests.support.api import LiveFarm, live_farm
from tests.support.disks import Disk, small_disk
from tests.support.farms import wait_for
from tests.support.stores import Place, Relay, files, noise, place_of, relay_to

SIZE = 5_000_000


@pytest.fixture
def relay(head: LiveFarm) -> Iterator[Relay]:
    with relay_to(head.url) as relay:
        yield relay


@pytest.fixture
def away(head_place: Place, relay: Relay) -> Place:
    """The same store, behind connections that can be cut."""
    head_place.url = f"http://127.0.0.1:{relay.port}"
    return head_place


class TestCuts:
    def test_an_upload_goes_on_where_it_was_cut(self, away: Place, relay: Relay, head: LiveFarm):
        relay.cuts = [(True, 1_500_000), (True, 2_500_000)]
        data = noise(SIZE)
        artifact = away.store().write("t/cut", data)
        assert not relay.cuts
        assert artifact.sha256 == hashlib.sha256(data).hexdigest()
        assert head.artifacts.read("t/cut") == data
        assert relay.passed[True] < 2 * SIZE, "what had arrived is not sent again"
        assert not list((head.settings.artifacts_dir / ".uploads").iterdir())

    def test_a_cut_after_the_last_byte_is_no_second_upload(self, away: Place, relay: Relay, head: LiveFarm):
        relay.cuts = [(False, 1)]
        data = noise(SIZE)
        away.store().write("t/late", data)
        assert not relay.cuts and relay.passed[True] < 1.5 * SIZE
        assert head.artifacts.read("t/late") == data

    def test_a_download_goes_on_where_it_was_cut(self, away: Place, relay: Relay, head: LiveFarm):
        artifact = head.artifacts.write("t/cut", noise(SIZE))
        relay.cuts = [(False, 1_500_000), (False, 2_000_000)]
        assert away.store("b").read("t/cut", artifact.sha256) == head.artifacts.read("t/cut")
        assert not relay.cuts and relay.passed[False] < 1.7 * SIZE

    def test_a_file_that_changes_meanwhile_is_read_anew(self, away: Place, relay: Relay, head: LiveFarm):
        head.artifacts.write("t/cut", noise(SIZE))
        new = noise(SIZE)
        relay.cuts = [(False, 1_500_000)]
        store = away.store("b")
        ask = store._transport._http.stream  # type: ignore[attr-defined]

        def change_before_the_second(*args: object, **more: object) -> object:
            if not relay.cuts:
                head.artifacts.write("t/cut", new)
            return ask(*args, **more)

        store._transport._http.stream = change_before_the_second  # type: ignore[attr-defined]
        assert store.path("t/cut").read_bytes() == new

    def test_what_arrives_damaged_is_sent_again(self, away: Place, relay: Relay, head: LiveFarm):
        data = noise(SIZE)
        relay.garble = 1
        away.store().write("t/garbled", data)
        assert head.artifacts.read("t/garbled") == data
        relay.garble = 1
        assert away.store("b").read("t/garbled") == data
        assert not list((head.settings.artifacts_dir / ".uploads").iterdir())

    def test_what_never_arrives_whole_is_given_up(self, away: Place, relay: Relay, head: LiveFarm):
        head.artifacts.write("t/bad", noise(100_000))
        relay.garble = 1000
        with pytest.raises(StorageError, match="damaged 3 times"):
            away.store().write("t/never", noise(100_000))
        with pytest.raises(StorageError, match="damaged 3 times"):
            away.store("b").read("t/bad")
        assert not head.artifacts.exists("t/never")
        assert away.cached("a") == away.cached("b") == []

    def test_a_head_that_is_away_is_waited_for_and_then_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(transport, "PATIENCE_SECONDS", 0.5)
        gone = HeadTransport("http://127.0.0.1:9", "token", patience=0.5)
        began = time.monotonic()
        with pytest.raises(StorageError, match=r"can't look for x: the head at http://127.0.0.1:9 was asked for 0.5 s"):
            gone.exists("x")
        assert 0.2 < time.monotonic() - began < 5

    def test_large_files_come_in_pieces(self, head_place: Place, head: LiveFarm, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(transport, "PIECE", 1_000_000)
        data = noise(3_500_000)
        head_place.store().write("t/pieces", data)
        assert head.artifacts.read("t/pieces") == data


class TestFullHead:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Disk]:
        with small_disk(tmp_path / "disk", "3m") as disk:
            yield disk

    def test_its_reason_arrives_and_nothing_is_left(self, disk: Disk, tmp_path: Path):
        with live_farm(disk.path / "home") as head:
            place = place_of(head, tmp_path / "nodes")
            store = place.store()
            store.write("t/small", b"kept")
            before = files(head.settings.artifacts_dir)
            with pytest.raises(StorageError, match=r"can't write t/big .*No space left on device"):
                store.write("t/big", noise(4_000_000))
            assert files(head.settings.artifacts_dir) == before
            assert store.read("t/small") == b"kept"
            disk.remount("size=20m")
            assert store.write("t/big", noise(4_000_000)).size == 4_000_000


class TestKilled:
    def test_a_client_killed_in_an_upload_leaves_nothing_to_see(self, away: Place, relay: Relay, head: LiveFarm):
        code = f"""
            from pathlib import Path
            from dataclasses import replace
            from farm.settings import Settings
            from farm.store.artifacts import open_store
            home = Settings.for_home(Path({str(away.settings("k").home)!r}))
            store = open_store(replace(home, artifacts_url={away.url!r}, node_token={away.settings().node_token!r}))
            class Slow:
                left = 400
                def read(self, size):
                    self.left -= 1
                    return bytes(100_000) if self.left > 0 else b""
            store.write("t/killed", Slow())
        """
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        wait_for(lambda: relay.passed[True] > 3_000_000, "the upload has begun", 60)
        child.kill()
        child.wait()
        assert not head.artifacts.exists("t/killed")
        assert not [name for name in files(head.settings.artifacts_dir) if "killed" in name]
        store = away.store("k")
        store._cache.make_room()  # type: ignore[attr-defined]
        assert away.cached("k") == [] and not list(away.settings("k").cache_dir.glob("incoming/*"))
        assert store.write("t/killed", b"again").size == 5


class TestWhoMayComeIn:
    def test_each_credential_opens_its_own_door_only(self, head: LiveFarm, head_place: Place):
        head.artifacts.write("t/secret", b"x")
        node = head_place.settings().node_token
        assert node != head.token
        url, api = f"{head.url}/store/t/secret", f"{head.url}/api/v1/jobs"
        for token, door, status in ((node, url, 200), (head.token, url, 401), (node, api, 401), (head.token, api, 200)):
            assert httpx.get(door, headers={"Authorization": f"Bearer {token}"}).status_code == status
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {head.token}"}):
                assert httpx.request(method, url, headers=headers).status_code == 401
        assert head.artifacts.read("t/secret") == b"x"

    def test_the_door_is_no_part_of_the_described_api(self, head: LiveFarm):
        assert not [path for path in httpx.get(f"{head.url}/openapi.json").json()["paths"] if "store" in path]

    @pytest.mark.parametrize(
        "key", ["..%2Fnode-token", ".uploads%2Fx", "a%2F%2Fb", "t%2F.hidden", "%2Fetc%2Fpasswd", ""]
    )
    def test_keys_stay_inside(self, head: LiveFarm, head_place: Place, key: str):
        headers = {"Authorization": f"Bearer {head_place.settings().node_token}"}
        for method in ("GET", "PUT", "DELETE"):
            assert httpx.request(method, f"{head.url}/store/{key}", headers=headers).status_code == 422

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 422),
            ({"Content-Range": "bytes 0-9/10"}, 422),
            ({"Content-Range": "bytes 0-3/4", "X-Upload": "../../x"}, 422),
            ({"Content-Range": "bytes 0-3/4", "X-Upload": "0" * 32, "X-SHA256": "../x"}, 422),
            ({"Content-Range": f"bytes 0-3/{1 << 41}", "X-Upload": "0" * 32}, 413),
            ({"Content-Range": "bytes 9-12/20", "X-Upload": "1" * 32}, 409),
        ],
    )
    def test_uploads_that_make_no_sense(self, head: LiveFarm, head_place: Place, headers: dict[str, str], status: int):
        headers = headers | {"Authorization": f"Bearer {head_place.settings().node_token}"}
        assert httpx.put(f"{head.url}/store/t/x", headers=headers, content=b"abcd").status_code == status
        assert not head.artifacts.exists("t/x")

    def test_pieces_have_a_limit(self, head: LiveFarm, head_place: Place):
        headers = {"Authorization": f"Bearer {head_place.settings().node_token}"}
        answer = httpx.put(f"{head.url}/store/t/x", headers=headers, content=bytes(transport.PIECE + 1))
        assert answer.status_code == 413

    def test_a_node_without_credential_says_where_to_get_it(self, tmp_path: Path):
        settings = Settings.for_home(tmp_path).on_node({"FARM_ARTIFACTS_URL": "http://head:8000"})
        with pytest.raises(InputError, match="farm token --node"):
            open_store(settings)
        settings.node_token_path.write_text("of a file\n")
        assert open_store(settings).url == "http://head:8000"

    def test_the_credential_of_another_farm_is_refused_at_once(self, head: LiveFarm, tmp_path: Path):
        place = Place(head.url, tmp_path, uuid4().hex)
        with pytest.raises(StorageError, match="does not know this node's credential"):
            place.store().read("t/x")
