"""A contact sheet: evenly spaced frames of a video with their times, in one PNG."""

import math
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from .exporters.base import ExportInfo, Frame, checked, written_aside

MAX_CELLS = 16
COLUMNS = 4
CELL = 192
"""Longest side of a cell, in pixels."""
GAP = 8
LABEL = 22
BACKGROUND = (18, 20, 24)
INK = (214, 218, 224)


def picked(frames: int, cells: int = MAX_CELLS) -> list[int]:
    """Indices of at most ``cells`` evenly spaced frames, the first and the last among them."""
    count = min(frames, cells)
    if count < 2:
        return [0] * count
    return [round(i * (frames - 1) / (count - 1)) for i in range(count)]


def middle_cell(sheet: Image.Image, frames: int) -> Image.Image:
    """The picture in the middle of the contact sheet of a video of so many frames."""
    count = len(picked(frames))
    columns = max(1, min(COLUMNS, count))
    width = (sheet.width - GAP) // columns - GAP
    height = (sheet.height - GAP) // max(1, math.ceil(count / columns)) - LABEL - GAP
    x = GAP + count // 2 % columns * (width + GAP)
    y = GAP + count // 2 // columns * (height + LABEL + GAP)
    return sheet.crop((x, y, x + width, y + height))


class ContactSheet:
    """Collects thumbnails while frames stream by; holds at most ``MAX_CELLS`` small pictures.

    ``tap`` lets the sheet watch a stream that an exporter consumes, so that a video is decoded once.
    """

    def __init__(self, info: ExportInfo) -> None:
        self.info = info
        self._wanted = set(picked(info.frames))
        self._cells: list[tuple[int, Image.Image]] = []
        scale = CELL / max(info.width, info.height)
        self._size = (max(1, round(info.width * scale)), max(1, round(info.height * scale)))

    def tap(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass every frame on unchanged, and keep a thumbnail of the wanted ones."""
        for index, frame in enumerate(frames):
            if index in self._wanted:
                filter_ = Image.Resampling.LANCZOS
                self._cells.append((index, Image.fromarray(frame).resize(self._size, filter_)))
            yield frame

    def image(self) -> Image.Image:
        """The sheet as drawn from what has passed so far."""
        width, height = self._size
        columns = max(1, min(COLUMNS, len(self._cells)))
        rows = max(1, math.ceil(len(self._cells) / columns))
        sheet = Image.new("RGB", (GAP + columns * (width + GAP), GAP + rows * (height + LABEL + GAP)), BACKGROUND)
        draw = ImageDraw.Draw(sheet)
        font = ImageFont.load_default(13)
        for position, (index, cell) in enumerate(self._cells):
            x = GAP + position % columns * (width + GAP)
            y = GAP + position // columns * (height + LABEL + GAP)
            sheet.paste(cell, (x, y))
            draw.text((x + 2, y + height + 3), _time(index / self.info.fps), fill=INK, font=font)
        return sheet

    def save(self, path: Path) -> None:
        """Write the PNG."""
        with written_aside(path) as aside:
            texts = PngImagePlugin.PngInfo()
            for key, value in {"title": self.info.title, **self.info.metadata}.items():
                if value:
                    texts.add_itxt(key, value)
            self.image().save(aside, format="PNG", pnginfo=texts)


def contact_sheet(frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
    """Read all ``frames`` and write their contact sheet as a PNG to ``path``."""
    sheet = ContactSheet(info)
    for _ in sheet.tap(checked(frames, info)):
        pass
    sheet.save(path)


class ContactSheetExporter:
    """The contact sheet as an export of its own, for choosing among drafts."""

    name = "contact-sheet"
    extension = ".png"
    media_type = "image/png"
    title = "Contact sheet: evenly spaced frames in one PNG"

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Write the sheet."""
        contact_sheet(frames, path, info)


def _time(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:05.2f}"
