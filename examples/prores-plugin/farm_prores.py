"""A plug-in for framepack-farm: ProRes 422 HQ in QuickTime, for editing programs."""

from fractions import Fraction

import av

from plugins import hookimpl
from plugins.exporters.base import checked, written_aside

FARM_PLUGIN_API = 1


class ProResExporter:
    name = "prores"
    extension = ".mov"
    media_type = "video/quicktime"

    def export(self, frames, path, info):
        with written_aside(path) as aside, av.open(str(aside), "w", format="mov") as container:
            stream = container.add_stream("prores_ks", rate=info.fps, options={"profile": "hq"})
            stream.width, stream.height = info.width, info.height
            stream.pix_fmt = "yuv422p10le"
            for index, pixels in enumerate(checked(frames, info)):
                picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                picture.pts, picture.time_base = index, Fraction(1, info.fps)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))


@hookimpl
def farm_exporters():
    return [ProResExporter()]
