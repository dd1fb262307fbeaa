"""What the farm itself registers, through the same hooks as anyone's plug-in."""

from collections.abc import Iterable

from .contact_sheet import ContactSheetExporter
from .exporters.base import Exporter
from .exporters.mp4 import Mp4Exporter
from .hookspecs import hookimpl

FARM_PLUGIN_API = 1


@hookimpl
def farm_exporters() -> Iterable[Exporter]:
    """MP4 and the contact sheet."""
    return [Mp4Exporter(), ContactSheetExporter()]
