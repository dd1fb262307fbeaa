"""HDR video (HLG and PQ, BT.2100) as the BT.709 that models and exporters work in.

The light that a frame means is worked out, its colours are brought into BT.709, and what is brighter than paper white
is rolled off, as BT.2408 and BT.2390 describe: hues stay, and bright parts keep their drawing. Done by a table of
colours that FFmpeg interpolates in.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, VideoReformatter

from .limits import SCALER_THREADS

PQ, HLG = 16, 18
"""Codes of the transfer functions, ITU-T H.273 table 3."""
BT2020 = 9
"""Code of the matrix and the primaries there."""
WHITE = 203.0
"""Light of paper white in cd/m2, BT.2408."""
PEAK = 1000.0
"""Light of HLG's brightest white on its reference display."""
KNEE = 0.75
"""Up to this share of paper white nothing is changed."""
SIDE = 33
"""Entries of the table along each colour."""

Values = npt.NDArray[np.float64]

_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)
"""Linear RGB of BT.2020 to BT.709; BT.2087."""


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether the frame says that its values are HLG's or PQ's."""
    return int(frame.color_trc) in (PQ, HLG)


class ToneMap:
    """Makes 8-bit BT.709 pictures of HDR frames of one stream.

    ``folder``: where the table is written, for as long as this is used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._scaler = folder, VideoReformatter()
        self._graphs: dict[tuple[int, int, int], tuple[Any, Any, Any]] = {}

    def __call__(self, frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
        """RGB [height, width, 3] of a frame."""
        options = {"src_colorspace": BT2020, "src_color_range": frame.color_range or None}
        wide = self._scaler.reformat(frame, format="rgb48le", threads=SCALER_THREADS, **options)
        wide.color_range = ColorRange.JPEG
        key = (int(frame.color_trc), frame.width, frame.height)
        if key not in self._graphs:
            self._graphs[key] = self._graph(*key)
        _, source, sink = self._graphs[key]
        wide.pts, wide.time_base = None, Fraction(1, 30)
        source.push(wide)
        return sink.pull().to_ndarray(format="rgb24").astype(np.uint8, copy=False)  # type: ignore[no-any-return]

    def _graph(self, transfer: int, width: int, height: int) -> tuple[Any, Any, Any]:
        """The graph, which its ends need to live, its source and its sink."""
        table = self._folder / f"hdr-{transfer}.cube"
        if not table.exists():
            table.write_text(cube(transfer))
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb48le"), time_base=Fraction(1, 30)
        )
        nodes = [
            source,
            graph.add("lut3d", f"file={_escaped(table)}:interp=tetrahedral"),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes)
        graph.configure()
        return graph, source, nodes[-1]


def cube(transfer: int) -> str:
    """The table in the format of Adobe's .cube files: BT.709 values by HDR values, red fastest."""
    axis = np.linspace(0, 1, SIDE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    values = shown(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer)
    lines = (" ".join(f"{value:.5f}" for value in row) for row in values)
    return f"LUT_3D_SIZE {SIDE}\n" + "\n".join(lines) + "\n"


def shown(signal: Values, transfer: int) -> Values:
    """BT.709 values [n, 3], 0 to 1, of HDR values [n, 3]."""
    light = _LIGHT[transfer](signal) / WHITE
    inside = np.maximum(light @ _TO_709.T, 0)
    brightest = inside.max(axis=-1, keepdims=True)
    rolled = _roll_off(brightest)
    mapped = inside * np.divide(rolled, brightest, out=np.ones_like(rolled), where=brightest > 0)
    return np.clip(mapped, 0, 1) ** (1 / 2.4)  # the display of BT.1886


def _roll_off(light: Values) -> Values:
    """Light over paper white, below 1: straight up to the knee, then ever flatter."""
    above = np.maximum(light - KNEE, 0) / (1 - KNEE)
    return np.where(light <= KNEE, light, KNEE + (1 - KNEE) * above / (1 + above))


def _light_of_pq(signal: Values) -> Values:
    """Light in cd/m2; BT.2100 table 4."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _light_of_hlg(signal: Values) -> Values:
    """Light in cd/m2 on a display of ``PEAK``; BT.2100 table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return PEAK * luminance[..., None] ** 0.2 * scene


_LIGHT: dict[int, Callable[[Values], Values]] = {PQ: _light_of_pq, HLG: _light_of_hlg}


def _escaped(path: Path) -> str:
    """A path as a value in a filter's options."""
    return "".join(f"\\{c}" if c in "\\':," else c for c in str(path))
