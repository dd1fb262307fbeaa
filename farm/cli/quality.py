"""`farm quality`: how good a video is, section by section."""

from pathlib import Path
from typing import Annotated, Any

import typer

from farm.cli import media, output
from farm.cli.farms import AsJson, Token, Url, connect, find
from farm.errors import InputError

SECTION_SECONDS = 1.2
"""Length of a piece of a file, about that of a section."""
_BARS = " ▁▂▃▄▅▆▇█"


def quality(
    what: Annotated[str, typer.Argument(help="A job of the farm, or a video file, also one that was not made here.")],
    section: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds of each piece of a file.")] = SECTION_SECONDS,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say where a video drifts: its colours, sharpness, noise, motion, flicker and seams, by pixels alone; and how like
    its start image a job is, where the farm measures that.

    Each section is compared with the first; what is beyond its limit is marked. Drift compares the first and the last
    15%.

    Example: farm quality 3f2a ; farm quality holiday.mp4
    """
    path = Path(what)
    if path.is_file():
        found = _of_file(path, section)
    else:
        with connect(url, token) as client:
            found = client.quality(find(client, what))
    if not found["sections"]:
        raise InputError(f"nothing of {what} is measured yet: sections are, when they are decoded.")
    if as_json:
        output.print_json(found)
    else:
        _print(found)


def _of_file(path: Path, seconds: float) -> dict[str, Any]:
    from model.quality.files import measured_file
    from model.quality.report import report

    return report(dict(enumerate(measured_file(media.read_file(path, "video"), seconds)))).to_json()


def _print(found: dict[str, Any]) -> None:
    from model.quality.judging import KINDS

    console, sections = output.console(), found["sections"]
    table = output.table("", "over the video", "limit>", "worst>", "section>")
    for kind, fault in KINDS.items():
        values = [each["values"][kind] for each in sections]
        worst = min(values) if fault.below else max(values)
        wrong = any(kind in each["wrong"] for each in sections)
        limit = f"{'from' if fault.below else 'to'} {fault.limit:g}"
        row = (kind, _bars(values), limit, f"{worst:.3g}", str(sections[values.index(worst)]["section"]))
        table.add_row(*row, style="red" if wrong else None)
    if seen := [each for each in sections if each.get("identity") is not None]:
        least = min(seen, key=lambda each: each["identity"])
        bars = _bars([each["identity"] for each in seen])
        table.add_row("identity", bars, "none", f"{least['identity']:.3g}", str(least["section"]))
    console.print(table)
    for each in sections:
        if each["wrong"]:
            console.print(
                f"section {each['section']}: {', '.join(KINDS[kind].words for kind in each['wrong'])}", markup=False
            )
    if found["drift"]:
        console.print("drift, first to last 15%: " + ", ".join(f"{k} {v:+.2g}" for k, v in found["drift"].items()))


def _bars(values: list[float], most: int = 40) -> str:
    """A line of bars, at most so many, each the largest of its share of the values; none for what is below 0."""
    count = min(most, len(values))
    shares = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    top = max(*values, 0.0) or 1.0
    return "".join(_BARS[round(max(*share, 0.0) / top * (len(_BARS) - 1))] for share in shares)
