"""SRT: the timed prompts as subtitles, to see beside the video what was asked for when."""

from collections.abc import Iterator
from pathlib import Path

from .base import ExportInfo, Frame, checked, written_aside


class SrtExporter:
    """One subtitle for each prompt, UTF-8."""

    name = "srt"
    extension = ".srt"
    media_type = "application/x-subrip"
    title = "SRT: the timed prompts as subtitles"

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Write the prompts."""
        for _ in checked(frames, info):
            pass
        with written_aside(path) as aside:
            blocks = [
                f"{number}\n{_time(prompt.start)} --> {_time(prompt.end)}\n{_lines(prompt.text)}\n"
                for number, prompt in enumerate(info.prompts, start=1)
            ]
            aside.write_text("\n".join(blocks), encoding="utf-8", newline="\n")


def _lines(text: str) -> str:
    """An empty line would end the subtitle."""
    return "\n".join(line for line in text.splitlines() if line.strip())


def _time(second: float) -> str:
    milliseconds = round(second * 1000)
    return (
        f"{milliseconds // 3_600_000:02d}:{milliseconds // 60_000 % 60:02d}:{milliseconds // 1000 % 60:02d},"
        f"{milliseconds % 1000:03d}"
    )
