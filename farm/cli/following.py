"""A job's progress, shown until it ends."""

from typing import TYPE_CHECKING

from farm.cli import output
from farm.units import counted

if TYPE_CHECKING:
    from farm.client import FarmClient


def follow_job(client: "FarmClient", job_id: str, as_json: bool = False) -> None:
    """Show live progress until the job ends; FarmError when it failed or was cancelled."""
    from farm.errors import CancelledError, FarmError

    state, error = "", ""
    if as_json:
        import json
        import sys

        for message in client.events(job_id):
            sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            state, error = message["data"].get("state", state), message["data"].get("error", error)
    else:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = output.console()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
            row = bar.add_task("waiting", total=1.0)
            for message in client.events(job_id):
                data = message["data"]
                if message["event"] in ("progress", "end"):
                    state, error = data["state"], data["error"]
                    done = f"{data['sections_done']} of {counted(data['sections'], 'section')}"
                    bar.update(row, completed=data["progress"], description=f"{state}, {done}")
                else:
                    bar.console.print(f"{output.clock(data['at'])}  {data['message']}", markup=False)
    short = job_id[: output.SHORT]
    if state == "failed":
        raise FarmError(f"job {short} failed: {error or 'see `farm show`'}; `farm retry {short}` keeps the rest")
    if state == "cancelled":
        raise CancelledError(f"job {short} was cancelled")
