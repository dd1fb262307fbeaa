"""S3 in trouble: whatever its client raises is the store's fault."""

from pathlib import Path

import pytest

from farm.errors import StorageError
from farm.jobs.records import FailureKind
from farm.store.artifacts.marker import unseen
from farm.work.failures import classify
from tests.support.stores import Place, noise


@pytest.fixture
def unreachable(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return Place("s3://nowhere/artifacts", tmp_path)


def test_a_server_that_is_away_is_nobody_elses_fault(unreachable: Place):
    store = unreachable.store()
    for call in (
        lambda: store.write("x", b"x"),
        lambda: store.read("x"),
        lambda: store.read_start("x", 8),
        lambda: store.open_read("x"),
        lambda: store.path("x"),
        lambda: store.publish("x", "y"),
        lambda: store.copy("x", "y"),
        lambda: store.exists("x"),
        lambda: store.remove_prefix("x"),
    ):
        with pytest.raises(StorageError, match="store s3://nowhere/artifacts: EndpointConnection") as e:
            call()
        assert classify(e.value) is FailureKind.RESOURCES
    assert "does not see the farm's artifacts (can't read farm-id" in unseen(store, "f")
    assert unreachable.cached() == []


def test_a_bucket_that_is_not_there(s3_endpoint: str, tmp_path: Path):
    store = Place("s3://no-such-bucket-here/x", tmp_path).store()
    with pytest.raises(StorageError, match="bucket does not exist"):
        store.write("x", b"x")
    assert store.exists("x") is False


def test_large_files_come_in_parts(bucket: str, tmp_path: Path):
    data = noise(60_000_000)
    place = Place(bucket, tmp_path)
    artifact = place.store("a").write("t/large", data)
    assert place.store("b").read("t/large", artifact.sha256) == data
