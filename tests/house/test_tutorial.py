"""docs/plugins.md: its code is the code of examples/, and that code works."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from plugins.exporters import ExportInfo
from plugins.exporters.process import export_apart
from plugins.manager import PluginInfo, PluginManager
from plugins.presets import read_preset

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "prores-plugin"
GUIDE = (ROOT / "docs" / "plugins.md").read_text()


def indented(text: str, by: str) -> str:
    return "\n".join(f"{by}{line}" if line else "" for line in text.strip().splitlines())


def test_guide_shows_the_files_of_the_examples():
    for name in ("farm_prores.py", "test_farm_prores.py"):
        assert (EXAMPLE / name).read_text().strip() in GUIDE, name
    project = (EXAMPLE / "pyproject.toml").read_text()
    assert project[project.index("[project]") :].strip() in GUIDE
    assert indented((ROOT / "examples" / "presets" / "slow-wave.toml").read_text(), "   ") in GUIDE


def test_example_preset_is_whole():
    preset = read_preset(ROOT / "examples" / "presets" / "slow-wave.toml")
    assert preset.name == "Slow Wave" and preset.values["total_second_length"] == 6.0


def test_example_plugin_loads_from_a_folder_and_exports(tmp_path: Path):
    (tmp_path / "farm_prores.py").write_text((EXAMPLE / "farm_prores.py").read_text())
    manager = PluginManager(tmp_path, packages=False)
    assert manager.plugins[1] == PluginInfo(
        "farm_prores", str(tmp_path / "farm_prores.py"), offers=("exporter prores",)
    )
    info = ExportInfo(width=64, height=64, fps=30, frames=7)
    sent = [np.full((64, 64, 3), 30 * index, np.uint8) for index in range(7)]
    export_apart(manager.exporter("ProRes"), iter(sent), tmp_path / "video.mov", info, 60)
    with av.open(str(tmp_path / "video.mov")) as container:
        assert container.streams.video[0].average_rate == 30
        got = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(got) == 7
    assert all(np.abs(g.astype(int) - s).max() < 6 for g, s in zip(got, sent, strict=True))


def test_the_guides_own_test_passes():
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_farm_prores.py"],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert outcome.returncode == 0 and " passed" in outcome.stdout and "failed" not in outcome.stdout, (
        outcome.stdout + outcome.stderr
    )


def test_the_guides_exporter_with_options_works(tmp_path: Path):
    page = (ROOT / "docs" / "exports.md").read_text()
    code = page.split("## An exporter of your own", 1)[1].split("```python", 1)[1].split("```", 1)[0]
    head = "from plugins import hookimpl\nfrom plugins.exporters.base import checked, written_aside\n"
    tail = "\n\n@hookimpl\ndef farm_exporters():\n    return [RawExporter()]\n"
    (tmp_path / "raw.py").write_text(head + code + tail)
    exporter = PluginManager(tmp_path, packages=False).exporter("raw")
    assert [option.name for option in exporter.options] == ["order", "every"] and exporter.title
    options = exporter.check({"order": "BGR", "every": "2"})
    info = ExportInfo(width=8, height=4, fps=30, frames=3, options=options)
    sent = [np.full((4, 8, 3), (index, 10, 20), np.uint8) for index in range(3)]
    export_apart(exporter, iter(sent), tmp_path / "video.raw", info, 60)
    assert (tmp_path / "video.raw").read_bytes() == sent[0][..., ::-1].tobytes() + sent[2][..., ::-1].tobytes()
