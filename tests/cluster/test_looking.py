"""What a node says that it has: whole weights, LoRAs and plug-ins, by their content; and work waits for it."""

import hashlib
from pathlib import Path

import pytest

from farm.cluster.looking import look_around
from farm.cluster.outlook import Outlook
from farm.jobs.assets import AssetKind, Assets, NodeReport, lora_asset, model_asset
from farm.settings import Settings
from model.families import describe
from tests.cluster.conftest import Cluster, wait_for
from tests.support.machine import here
from tests.support.released import released_folder

PLUGIN = Path(__file__).parents[2] / "examples" / "prores-plugin" / "farm_prores.py"


def of_kind(report: NodeReport, kind: AssetKind) -> Assets:
    assert report.assets is not None
    return frozenset(asset for asset in report.assets if asset.kind is kind)


def test_families_are_known_by_their_weights(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = released_folder(tmp_path / "weights")
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(folder))
    settings = Settings.from_environment()
    report = look_around(settings)
    puppet, framepack = (
        model_asset(name, describe(name, here()).checkpoint_sha256) for name in ("puppet", "framepack")
    )
    assert of_kind(report, AssetKind.MODEL) == {puppet, framepack}
    assert "framepack-f1 is not on this machine" in report.faults["framepack-f1"] and report.host_memory > 1e9
    settings.speed_path.write_text("0.7\n")
    assert (report.speed, look_around(settings).speed) == (0.0, 0.7)
    assert NodeReport.of_json(report.to_json()) == report
    shard = next((folder / "text_encoder").glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-8])
    cut = look_around(settings)
    assert of_kind(cut, AssetKind.MODEL) == {puppet} and shard.name in cut.faults["framepack"]


def test_loras_and_plug_ins_are_known_by_their_files(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not of_kind(look_around(settings), AssetKind.EXPORTER)
    lora = settings.loras_dir / "people" / "Dancer.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(b"first")
    plugin = settings.plugins_dir / "farm_prores.py"
    plugin.write_bytes(PLUGIN.read_bytes())
    report = look_around(settings)
    assert of_kind(report, AssetKind.LORA) == {lora_asset("people/dancer", hashlib.sha256(b"first").hexdigest())}
    (exporter,) = of_kind(report, AssetKind.EXPORTER)
    assert exporter.name == "prores"
    elsewhere = Settings.for_home(settings.home.parent / "elsewhere").ensure_home()
    (elsewhere.plugins_dir / plugin.name).write_bytes(PLUGIN.read_bytes())
    assert of_kind(look_around(elsewhere), AssetKind.EXPORTER) == {exporter}, "its path does not matter"
    plugin.write_bytes(PLUGIN.read_bytes() + b"\n# changed\n")
    lora.write_bytes(b"second")
    changed = look_around(settings)
    (other,) = of_kind(changed, AssetKind.EXPORTER)
    assert other.name == "prores" and other != exporter
    assert of_kind(changed, AssetKind.LORA) == {lora_asset("people/dancer", hashlib.sha256(b"second").hexdigest())}


def test_a_second_look_reads_no_file_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings.loras_dir / "style.safetensors").write_bytes(b"weights")
    first = look_around(settings)

    def read(file: Path) -> str:
        raise AssertionError(f"{file} was read again")

    monkeypatch.setattr("model.weights.file_sha256", read)
    assert look_around(settings) == first


@pytest.mark.ray
def test_work_waits_until_a_node_has_what_it_needs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    (node,) = [node for node in cluster.store.nodes() if node.facts.id]
    puppet = model_asset("puppet", describe("puppet", here()).checkpoint_sha256)
    assert node.facts.report.assets is not None and puppet in node.facts.report.assets
    style = lora_asset("Style", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setattr("farm.intake.queue.assets_for", lambda accepted: frozenset({puppet, style}))
    job = cluster.job(total_second_length=1.2)
    assert cluster.store.queued([job.id])[0].assets == {puppet, style}
    outlook = Outlook(cluster.store)

    def waits() -> bool:
        found = outlook.of_job(cluster.store.get_job(job.id))
        assert found is not None
        return found.code == "no_lora" and f"`farm models push style {node.host}` brings it" in found.why

    wait_for(waits, "the reason")
    assert cluster.committed(job.id) == {"encode": 1}, "what needs no LoRA is done"
    lora = cluster.settings.loras_dir / "style.safetensors"
    lora.parent.mkdir(parents=True, exist_ok=True)
    lora.write_bytes(b"weights")
    try:
        assert cluster.finished(job.id).state == "completed"
    finally:
        lora.unlink()
