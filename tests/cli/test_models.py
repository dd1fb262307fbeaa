"""`farm models` against a small hub on loopback, with the real huggingface_hub, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.hub import COMMIT, Hub, hub
from tests.support.released import pad, released_repositories

SHARD = "diffusion_pytorch_model-00001-of-00003.safetensors"
PIECE = 10 * 2**20
"""Bytes that huggingface_hub writes at a time; what is received of the next piece is lost with the connection."""
ROOT = Path(__file__).parents[2]

Farm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Hub]:
    with hub(released_repositories(tmp_path / "hub")) as served:
        yield served


@pytest.fixture
def farm(loopback: Hub, tmp_path: Path) -> Farm:
    """Run a ``farm`` command with an empty cache and home of its own; keywords are environment variables."""

    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(words), env=environ(loopback, tmp_path, environment), **PIPES, timeout=60)

    return call


PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}


def command(words: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "farm", *words]


def environ(loopback: Hub, tmp_path: Path, more: dict[str, str]) -> dict[str, str]:
    own = {"FARM_HOME": str(tmp_path / "home"), **loopback.environment(tmp_path / "cache")}
    return {**os.environ, **own, **more}


def test_pull_fetches_only_what_is_needed_then_the_family_is_ready(farm: Farm, loopback: Hub, tmp_path: Path) -> None:
    before = json.loads(farm("models", "list", "framepack", "--json").stdout)[0]
    assert not before["ready"] and "`farm models pull framepack` downloads about 42.4 GB" in before["error"]
    licences = {part["part"]: part["licence"] for part in before["parts"]}
    assert licences["image_encoder"] == "FLUX.1 [dev] Non-Commercial"
    assert licences["transformer"] == licences["vae"] == "Tencent Hunyuan Community"
    assert loopback.asked == []

    pulled = farm("models", "pull", "framepack")
    assert pulled.returncode == 0, pulled.stderr
    assert "framepack is ready" in pulled.stdout and SHARD in pulled.stderr
    names = {path.name for path in tmp_path.glob("cache/hub/*/snapshots/*/**/*") if path.is_file()}
    assert SHARD in names and "README.md" not in names
    assert not any("HunyuanVideo/transformer" in path for path, _ in loopback.served)
    assert not any("transformer/diffusion" in path for path in loopback.asked)

    loopback.asked.clear()
    after = json.loads(farm("models", "list", "framepack", "--json").stdout)[0]
    assert after["ready"] and len(after["checkpoint_sha256"]) == 64
    origins = {part["part"]: part["from"] for part in after["parts"]}
    assert origins["transformer"] == f"lllyasviel/FramePackI2V_HY@{COMMIT}"
    assert origins["vae"] == f"hunyuanvideo-community/HunyuanVideo/vae@{COMMIT}"
    assert loopback.asked == []

    loopback.served.clear()
    again = farm("models", "pull", "framepack")
    assert "is here already" in again.stdout and loopback.served == []
    other = json.loads(farm("models", "list", "framepack-f1", "--json").stdout)[0]
    assert "transformer missing" in other["error"], "what both families share is there already"


def test_connection_cut_in_the_middle_of_a_file_is_resumed_where_it_broke(farm: Farm, loopback: Hub) -> None:
    pad(loopback.root / "lllyasviel/FramePackI2V_HY" / SHARD, 25_000_000)
    loopback.cuts[SHARD] = [PIECE + 1000, 2 * PIECE + 5]
    done = farm("models", "pull", "framepack")
    assert done.returncode == 0, done.stderr
    assert [start for name, start in loopback.served if name == SHARD] == [0, PIECE, 2 * PIECE]


def test_killed_pull_goes_on_in_the_middle_of_the_file(farm: Farm, loopback: Hub, tmp_path: Path) -> None:
    pad(loopback.root / "lllyasviel/FramePackI2V_HY" / SHARD, 11_000_000)
    loopback.cuts[SHARD] = [PIECE + 1000] * 20  # no further, however often it is asked
    started = subprocess.Popen(
        command(("models", "pull", "framepack")), env=environ(loopback, tmp_path, {}), **PIPES, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 30
        while (SHARD, PIECE) not in loopback.served:
            assert time.monotonic() < deadline and started.poll() is None
            time.sleep(0.02)
    finally:
        started.send_signal(signal.SIGKILL)
        started.communicate()
    loopback.cuts.clear()
    loopback.served.clear()
    done = farm("models", "pull", "framepack")
    assert done.returncode == 0, done.stderr
    assert [start for name, start in loopback.served if name == SHARD] == [PIECE]


def test_damaged_file_is_fetched_again_and_refused_the_second_time(farm: Farm, loopback: Hub) -> None:
    loopback.wrong[SHARD] = 2
    refused = farm("models", "pull", "framepack")
    assert refused.returncode == 1
    assert f"{SHARD} arrived damaged twice" in refused.stderr
    loopback.wrong[SHARD] = 1
    assert farm("models", "pull", "framepack").returncode == 0


def test_check_finds_and_mends_a_bit_that_flipped_on_disk(farm: Farm, loopback: Hub, tmp_path: Path) -> None:
    assert farm("models", "pull", "framepack").returncode == 0
    shard = next(tmp_path.glob(f"cache/hub/models--lllyasviel--FramePackI2V_HY/snapshots/*/{SHARD}")).resolve()
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    loopback.served.clear()
    assert farm("models", "pull", "framepack", "--check").returncode == 0
    assert [name for name, _ in loopback.served] == [SHARD]
    assert shard.read_bytes() == whole


def test_offline_pull_says_so(farm: Farm) -> None:
    refused = farm("models", "pull", "framepack", HF_HUB_OFFLINE="1")
    assert refused.returncode == 1 and "HF_HUB_OFFLINE is set" in refused.stderr


def test_hub_that_cannot_be_reached_is_one_line(farm: Farm, unused_port: int) -> None:
    refused = farm("models", "pull", "framepack", HF_ENDPOINT=f"http://127.0.0.1:{unused_port}")
    assert refused.returncode == 1
    assert f"http://127.0.0.1:{unused_port} can't be reached for lllyasviel/FramePackI2V_HY" in refused.stderr
    assert "Traceback" not in refused.stderr and len(refused.stderr.strip().splitlines()) == 1


def test_repository_that_asks_for_consent_or_is_missing_is_named(farm: Farm, loopback: Hub, tmp_path: Path) -> None:
    loopback.gated = "lllyasviel/flux_redux_bfl"
    refused = farm("models", "pull", "framepack")
    assert "lllyasviel/flux_redux_bfl asks for consent" in refused.stderr
    configure(tmp_path, '[framepack]\nimage_encoder = "google/siglip"\n')
    assert "has no repository google/siglip" in farm("models", "pull", "framepack").stderr


def test_disk_that_is_too_small_is_refused_before_anything_is_downloaded(
    farm: Farm, loopback: Hub, tmp_path: Path
) -> None:
    from tests.support.disks import small_disk

    with small_disk(tmp_path / "disk", "16m") as disk:
        refused = farm("models", "pull", "framepack", HF_HOME=str(disk.path))
    assert refused.returncode == 1 and "make room, or set HF_HOME" in refused.stderr
    assert loopback.served == []


def test_substitute_repository_and_revision_come_from_the_configuration(
    farm: Farm, loopback: Hub, tmp_path: Path
) -> None:
    other = loopback.root / "google/siglip-so400m-patch14-384"
    (loopback.root / "lllyasviel/flux_redux_bfl/image_encoder").rename(tmp_path / "siglip")
    other.parent.mkdir()
    (tmp_path / "siglip").rename(other)
    configure(tmp_path, f'[framepack]\nimage_encoder = "google/siglip-so400m-patch14-384@{COMMIT}"\n')
    done = farm("models", "pull", "framepack", "--json")
    assert done.returncode == 0, done.stderr
    assert {fetched["repository"] for fetched in json.loads(done.stdout)["pulled"]} == {
        "lllyasviel/FramePackI2V_HY",
        "hunyuanvideo-community/HunyuanVideo",
        "google/siglip-so400m-patch14-384",
        "lllyasviel/flux_redux_bfl",
    }


def configure(tmp_path: Path, text: str) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "models.toml").write_text(text)
