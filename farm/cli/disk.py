"""What the farm's files take, and making room."""

from typing import Annotated

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Token, Url, connect
from farm.units import size

MEANINGS = {
    "video": "finished videos, contact sheets, manifests",
    "given": "pictures and videos that jobs came with",
    "latents": "rendered sections: for other exports, redo and fork",
    "previews": "pictures of sections",
    "work": "decoded chunks and conditioning; they go when a video is finished",
    "logs": "what was said while jobs were worked on; they go when their job is deleted",
    "service_logs": "what the farm's own processes said on its head",
}


def disk(
    free: Annotated[
        bool, typer.Option("--free", help="Remove the sections of finished videos now; the videos stay.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what the farm's files take, and make room.

    Sections of finished videos are kept for FARM_KEEP_LATENTS_DAYS (30), or while all files take less than
    FARM_DISK_BUDGET_GB. Example: farm disk --free
    """
    with connect(url, token) as client:
        found = client.disk()
        if free:
            sections = size(found["spare"])
            if not yes and not as_json:
                typer.confirm(
                    f"Remove {sections} of sections? Videos stay; redo and fork would render them again", abort=True
                )
            found = client.free_disk()["disk"]
    if as_json:
        output.print_json(found)
        return
    table = output.table("Files", "Size>", "What they are")
    for use, taken in found["sizes"].items():
        table.add_row(use, size(taken), MEANINGS.get(use, ""))
    console = output.console()
    console.print(table)
    days = found["keep_latents_days"]
    kept = "for ever" if days is None else f"for {days:g} days"
    budget = "" if found["budget"] is None else f", in all at most {size(found['budget'])}"
    total, due, spare = (size(found[name]) for name in ("total", "due", "spare"))
    console.print(
        f"{total} in {found['jobs']} jobs; sections are kept {kept}{budget}. "
        f"{due} go at the next sweep; `farm disk --free` would remove {spare}.",
        markup=False,
        highlight=False,
    )
