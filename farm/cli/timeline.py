"""`farm show`: one job with its sections in viewer order, drawn over the time each took."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from farm.cli import output
from farm.jobs.names import is_internal, section_name
from farm.units import counted, ranges, when
from model.plan.listed import short_name

if TYPE_CHECKING:
    from rich.console import Console

WIDTH, NARROW_WIDTH = 40, 12
"""Of the bars, in columns."""


def print_job(console: "Console", detail: dict[str, Any]) -> None:
    """Print the answer of ``GET /jobs/{id}``."""
    job, request, plan = detail["job"], detail["job"]["request"], detail["plan"]
    made = [_made_with(each) for each in [shot["request"] for shot in detail["shots"]] or [request]]
    shared = [part for part in made[0] if all(part in other for other in made)]
    facts = {
        "job": job["id"],
        "state": output.state(job["state"]) + (f": {escape(job['error'])}" if job["error"] else ""),
        "prompt": "" if detail["shots"] else escape(request["prompt"]),
        "unreadable": escape(job["unreadable"]),
        "video": plan
        and f"{plan['seconds']:.2f} s, {plan['frames']} frames at {plan['fps']} fps, "
        + counted(plan["sections"], "section"),
        "settings": escape(", ".join(shared)),
        "queue": _queue(job["outlook"]),
        "waits": escape(job["outlook"]["why"]) if job["outlook"] else "",
        "deadline": output.clock(job["deadline"], zone=True) if job["deadline"] else "",
        "take of": escape(f"{job['parent']}, with its sections {ranges(job['kept']) or 'none'}")
        if job["parent"]
        else "",
        "takes": escape(", ".join(f"{take['id'][: output.SHORT]} ({take['state']})" for take in detail["takes"])),
        "created": output.clock(job["created_at"], zone=True),
        "took": output.took(job["took"]),
    }
    for name, value in facts.items():
        if value:
            console.print(f"[bold]{name:>9}[/]  {value}", soft_wrap=True)
    for shot, parts in zip(detail["shots"], made, strict=False):
        last = shot["first"] + shot["sections"] - 1
        where = f"sections {shot['first']} to {last}" if last > shot["first"] else f"section {last}"
        own = [where, *(part for part in parts if part not in shared)]
        told = f"{', '.join(own)}: {shot['request']['prompt']}"
        console.print(f"[bold]{'shot':>9}[/]  {escape(shot['name'])}, {escape(told)}", soft_wrap=True)
    console.print(_timeline(detail, WIDTH if console.width >= output.NARROW else NARROW_WIDTH))
    for artifact in detail["artifacts"]:
        if not is_internal(artifact["name"]):
            console.print(
                f"[bold]{artifact['name']:>13}[/]  {artifact['size']:,} bytes  sha256 {artifact['sha256'][:16]}"
            )


def _made_with(request: dict[str, Any]) -> list[str]:
    """The settings that tell videos apart; a film's shots have no preset there."""
    preset = [f"preset {request['preset']}"] if "preset" in request else []
    rest = (f"order {short_name(request['order'])}", f"seed {request['seed']}", f"{request['steps']} steps")
    return [request["model_type"], *preset, *rest]


def _queue(outlook: dict[str, Any] | None) -> str:
    """Its place, and when it should be done."""
    if outlook is None or not outlook["place"]:
        return ""
    place = f"place {outlook['place']} of {outlook['jobs']}"
    if outlook["expected"] is None:
        return f"{place}; no replica can take it as things are"
    low, expected, high = (output.seconds_text(outlook[name]) for name in ("low", "expected", "high"))
    return f"{place}; done in about {expected} ({low} to {high})"


def _computed(made: dict[str, Any]) -> str:
    """Steps of a finished section, and how many of them the cache did not skip, per CFG branch."""
    counts = [str(count) for count in made["steps_computed"].values() if count != made["steps"]]
    return f"{'/'.join(counts)} of {made['steps']}" if counts else str(made["steps"])


def _why(task: dict[str, Any]) -> str:
    """Why it failed, or why it waits although it could start."""
    if task["state"] != "ready":
        return str(task["reason"])
    return " ".join(filter(None, (task["reason"] and f"failed before: {task['reason']}.", task["why"])))


def _timeline(detail: dict[str, Any], width: int) -> Any:
    attempts: dict[str, list[dict[str, Any]]] = {}
    for attempt in detail["attempts"]:
        attempts.setdefault(attempt["task_id"], []).append(attempt)
    starts = [t for a in detail["attempts"] if (t := when(a["started_at"]))]
    begin = min(starts, default=datetime.now(UTC))
    ends = [when(a["finished_at"]) or datetime.now(UTC) for a in detail["attempts"]]
    span = max((max(ends, default=begin) - begin).total_seconds(), 1e-9)

    computed = {section_name(made["index"]): _computed(made) for made in detail["rendered"]}
    table = output.table("Task!", "State", "Tries!>", "Replica", "Steps!>", "Took!>", "Timeline!")
    for task in detail["tasks"]:
        tried = attempts.get(task["id"], [])
        last = tried[-1] if tried else None
        bar = [" "] * width
        for attempt in tried:
            start, end = when(attempt["started_at"]), when(attempt["finished_at"]) or datetime.now(UTC)
            if start:
                first = int((start - begin).total_seconds() / span * (width - 1))
                final = int((end - begin).total_seconds() / span * (width - 1))
                mark = "█" if attempt["state"] in ("committed", "running") else "░"
                bar[first : final + 1] = mark * (final + 1 - first)
        table.add_row(
            task["name"],
            output.state(task["state"]) + (f": {escape(_why(task))}" if _why(task) else ""),
            str(len(tried) or ""),
            escape(last["place"]) if last else "",
            computed.get(task["name"], ""),
            output.duration(last["started_at"], last["finished_at"]) if last else "",
            "".join(bar),
        )
    return table
