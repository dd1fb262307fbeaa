"""The artifact store: complete files or none, in a folder, in S3, and at the head over HTTP."""

import errno
import hashlib
import io
import os
import threading
from pathlib import Path

import pytest
import torch

from farm.errors import DamagedArtifactError, InputError, NotFoundError, StorageError
from farm.jobs.records import Artifact
from farm.store.artifacts import ArtifactStore
from farm.store.artifacts.local import LocalStore
from farm.store.artifacts.marker import KEY, farm_id, unseen
from tests.support.disks import small_disk
from tests.support.stores import Place, files


@pytest.fixture
def store(place: Place) -> ArtifactStore:
    return place.store()


class TestContract:
    def test_write_tells_size_and_hash(self, store: ArtifactStore):
        data = os.urandom(3 << 20)
        artifact = store.write("t/jobs/1/video.mp4", data, media_type="video/mp4")
        sha256 = hashlib.sha256(data).hexdigest()
        assert artifact == Artifact("video", "t/jobs/1/video.mp4", len(data), sha256, "video/mp4")
        assert store.read("t/jobs/1/video.mp4", sha256) == data
        assert store.path("t/jobs/1/video.mp4").read_bytes() == data
        with store.open_read("t/jobs/1/video.mp4") as file:
            file.seek(1000)
            assert file.read(10) == data[1000:1010]

    def test_sources_and_names(self, store: ArtifactStore, tmp_path: Path):
        (tmp_path / "source").write_bytes(b"abc")
        written = [
            store.write("t/a/b.png", b"abc", name="image"),
            store.write("t/a/c.png", io.BytesIO(b"abc")),
            store.write("t/a/d.tar.gz", tmp_path / "source"),
            store.write("t/empty", b""),
        ]
        assert [artifact.name for artifact in written] == ["image", "c", "d", "empty"]
        assert [artifact.size for artifact in written] == [3, 3, 3, 0]
        assert len({artifact.sha256 for artifact in written}) == 2

    def test_publish_renames_over_what_was_there_and_again_is_a_no_op(self, store: ArtifactStore):
        store.write("t/final/x", b"old")
        store.write("t/private/x", b"new")
        for _ in range(2):
            store.publish("t/private/x", "t/final/x")
            assert store.read("t/final/x") == b"new"
            assert not store.exists("t/private/x")
        with pytest.raises(NotFoundError, match="no such artifact"):
            store.publish("t/private/y", "t/final/y")

    def test_missing_keys(self, store: ArtifactStore):
        assert not store.exists("t/nope")
        for call in (store.open_read, store.read, store.load_tensors, store.tensor_metadata):
            with pytest.raises(NotFoundError, match="read t/nope"):
                call("t/nope")

    def test_remove_prefix(self, store: ArtifactStore):
        for key in ("t/jobs/1/a", "t/jobs/1/deep/b", "t/jobs/10/c"):
            store.write(key, b"x")
        assert not store.exists("t/jobs/1")  # a folder is no artifact
        store.remove_prefix("t/jobs/1")
        assert [store.exists(key) for key in ("t/jobs/1/a", "t/jobs/1/deep/b", "t/jobs/10/c")] == [False, False, True]
        store.remove_prefix("t/jobs/1")
        store.remove_prefix("t/jobs/10/c")
        assert not store.exists("t/jobs/10/c")

    def test_size_of_what_matches(self, store: ArtifactStore, place: Place):
        for number, key in enumerate(("t/jobs/1/logs/a.txt", "t/jobs/2/logs/b.txt", "t/jobs/2/c", "t/logs/d"), 1):
            store.write(key, b"x" * number)
        told = not place.url.startswith("http")  # nodes have no use for what only the head needs to know
        assert store.size_of("t/jobs/*/logs/*") == (1 + 2 if told else 0)
        assert store.size_of("t/nothing/*") == 0

    @pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\b", "a\0b"])
    def test_keys_stay_inside(self, store: ArtifactStore, key: str):
        for call in (lambda: store.write(key, b"x"), lambda: store.read(key), lambda: store.remove_prefix(key)):
            with pytest.raises(InputError, match="no artifact key"):
                call()

    def test_tensors_round_trip_bit_for_bit(self, store: ArtifactStore):
        tensors = {
            "latents": torch.randn(16, 9, 8, 8).transpose(0, 1),
            "half": torch.randn(4).to(torch.bfloat16),
            "ids": torch.arange(5),
        }
        metadata = {"job": "1", "section": "3", "attempt": "x", "input:image": "0" * 64}
        artifact = store.save_tensors("t/jobs/1/latents-003.safetensors", tensors, metadata)
        assert artifact.name == "latents-003"
        loaded = store.load_tensors(artifact.key, artifact.sha256)
        assert loaded.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert loaded[name].dtype == tensor.dtype
            assert torch.equal(loaded[name], tensor)
        assert store.tensor_metadata(artifact.key) == metadata
        turned = dict(reversed(metadata.items()))
        assert store.save_tensors("t/again", tensors, turned).sha256 == artifact.sha256

    def test_damage_is_noticed(self, store: ArtifactStore, place: Place):
        artifact = store.save_tensors("t/t", {"x": torch.ones(1000)}, {})
        data = store.read("t/t")
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        for damaged in (data[:-7], data[:5], b"", b"no tensors at all", flipped):
            store.write("t/t", damaged)
            elsewhere = place.store("b")
            with pytest.raises(StorageError, match="artifact t/t is damaged"):
                elsewhere.load_tensors("t/t", artifact.sha256)
            if damaged is not flipped:
                with pytest.raises(StorageError, match="artifact t/t is damaged"):
                    elsewhere.load_tensors("t/t")
        with pytest.raises(DamagedArtifactError, match="t is damaged"):
            place.store("c").whole(artifact)
        store.remove_prefix("t/t")
        with pytest.raises(DamagedArtifactError, match="t is gone"):
            place.store("c").whole(artifact)

    def test_copies_outlive_what_they_were_made_of(self, store: ArtifactStore):
        store.write("t/a", b"x")
        store.copy("t/a", "t/deep/b")
        store.remove_prefix("t/a")
        assert store.read("t/deep/b") == b"x"
        with pytest.raises(NotFoundError, match="copy t/a"):
            store.copy("t/a", "t/c")

    def test_what_one_node_writes_another_reads(self, place: Place):
        data = os.urandom(2 << 20)
        artifact = place.store("a").write("t/jobs/1/härter & 100%.bin", data)
        other = place.store("b")
        assert other.exists(artifact.key)
        assert other.whole(artifact).read_bytes() == data
        assert other.whole(artifact) == other.path(artifact.key, artifact.sha256)
        place.store("a").write(artifact.key, b"new")
        assert other.read(artifact.key) == b"new"

    def test_a_store_knows_its_farm(self, place: Place):
        farm = farm_id(place.store("a"))
        assert farm_id(place.store("b")) == farm
        assert unseen(place.store("b"), farm) == ""
        assert "belongs to another farm" in unseen(place.store("b"), "f" * 32)
        place.store("a").remove_prefix(KEY)
        reason = unseen(place.store("b"), farm)
        assert reason.startswith("this node does not see the farm's artifacts (") and "farm join" in reason


class TestLocalDisk:
    def test_a_reader_never_sees_half_a_file(self, tmp_path: Path):
        store = LocalStore(str(tmp_path))
        store.write("x", b"0" * 200_000)
        seen, stop = set(), threading.Event()

        def read() -> None:
            while not stop.is_set():
                data = store.read("x")
                seen.add((len(data), len(set(data))))

        reader = threading.Thread(target=read)
        reader.start()
        for digit in b"123456789" * 4:
            store.write("x", bytes([digit]) * 200_000)
        stop.set()
        reader.join()
        assert seen == {(200_000, 1)}
        assert files(tmp_path) == ["x"]

    def test_a_source_that_breaks_leaves_nothing(self, tmp_path: Path):
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 0:
                    raise OSError(errno.EIO, "Input/output error")
                return super().read(10)

        store = LocalStore(str(tmp_path))
        store.write("x", b"good")
        with pytest.raises(StorageError, match="Input/output error"):
            store.write("x", Broken(b"0" * 100))
        assert store.read("x") == b"good"
        assert files(tmp_path) == ["x"]

    def test_full_disk(self, tmp_path: Path):
        with small_disk(tmp_path / "disk", "64k") as disk:
            store = LocalStore(disk.path.as_uri())
            store.write("jobs/1/small", b"kept")
            with pytest.raises(StorageError, match=r"can't write jobs/1/big .*No space left on device. Free space"):
                store.write("jobs/1/big", bytes(100_000))
            assert files(disk.path) == ["jobs/1/small"]
            disk.remount("size=1m")
            assert store.write("jobs/1/big", bytes(100_000)).size == 100_000

    def test_read_only_disk(self, tmp_path: Path):
        with small_disk(tmp_path / "disk", "64k") as disk:
            store = LocalStore(disk.path.as_uri())
            store.write("a", b"kept")
            disk.remount("ro")
            for call in (
                lambda: store.write("b", b"x"),
                lambda: store.publish("a", "b"),
                lambda: store.remove_prefix("a"),
            ):
                with pytest.raises(StorageError, match="Read-only file system"):
                    call()
            assert store.read("a") == b"kept"


def test_file_urls_are_unescaped(tmp_path: Path):
    folder = tmp_path / "häuser & 50% #1?"
    LocalStore(folder.as_uri()).write("a", b"x")
    assert files(tmp_path) == [f"{folder.name}/a"]
