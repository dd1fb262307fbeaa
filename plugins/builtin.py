"""What the farm itself registers, through the same hooks as anyone's plug-in."""

from collections.abc import Iterable

from .contact_sheet import ContactSheetExporter
from .exporters.base import Exporter
from .exporters.dnxhr import DnxhrExporter
from .exporters.ffv1 import Ffv1Exporter
from .exporters.frames import ExrExporter, PngExporter
from .exporters.gif import GifExporter
from .exporters.hls import HlsExporter
from .exporters.latents import LatentsExporter
from .exporters.mp4 import Mp4Exporter
from .exporters.otio import OtioExporter
from .exporters.prores import ProResExporter
from .exporters.srt import SrtExporter
from .exporters.webm import WebmExporter
from .exporters.webp import WebpExporter
from .hookspecs import hookimpl
from .post.base import PostProcessor
from .post.interpolate import Interpolate
from .post.upscale import Upscale

FARM_PLUGIN_API = 1


@hookimpl
def farm_exporters() -> Iterable[Exporter]:
    """Everything in the folder ``exporters``, and the contact sheet."""
    return [
        Mp4Exporter(),
        WebmExporter(),
        GifExporter(),
        WebpExporter(),
        ProResExporter(),
        DnxhrExporter(),
        Ffv1Exporter(),
        PngExporter(),
        ExrExporter(),
        LatentsExporter(),
        HlsExporter(),
        OtioExporter(),
        SrtExporter(),
        ContactSheetExporter(),
    ]


@hookimpl
def farm_post_processors() -> Iterable[PostProcessor]:
    """Those that need no weights."""
    return [Upscale(), Interpolate()]
