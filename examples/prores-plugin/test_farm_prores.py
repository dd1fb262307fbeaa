import av
import farm_prores

from plugins.testing import ExporterContract, PluginContract
from plugins.testing.exporters import INFO, frames


class TestPlugin(PluginContract):
    module = farm_prores


class TestProRes(ExporterContract):
    exporter = farm_prores.ProResExporter()

    def test_every_frame_is_there(self, tmp_path):
        self.export(frames(), tmp_path / "video.mov", INFO)
        with av.open(str(tmp_path / "video.mov")) as container:
            assert container.streams.video[0].codec_context.name == "prores"
            assert sum(1 for _ in container.decode(video=0)) == INFO.frames
