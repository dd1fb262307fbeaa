import av
import numpy as np
from farm_prores import ProResExporter

from plugins.exporters import ExportInfo


def test_exports_every_frame(tmp_path):
    info = ExportInfo(width=64, height=64, fps=30, frames=5)
    frames = (np.full((64, 64, 3), 40 * index, np.uint8) for index in range(5))
    ProResExporter().export(frames, tmp_path / "video.mov", info)
    with av.open(str(tmp_path / "video.mov")) as container:
        assert container.streams.video[0].codec_context.name == "prores"
        assert sum(1 for _ in container.decode(video=0)) == 5
