"""The section timeline: one cell per section in viewer order, with its picture and what has been done for it. HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from typing import Any

from dashboard.looks import duration
from dashboard.pictures import picture_url
from farm.jobs.names import decode_name, section_name
from farm.units import when

COLORS = {
    "waiting": "#2b3242",
    "ready": "#4a5468",
    "running": "#7c9cff",
    "retaken": "#e2a84b",
    "rendered": "#2f9e77",
    "done": "#4cc38a",
    "failed": "#f2665e",
    "cancelled": "#5b6070",
}
LEGEND = {
    "waiting": "waits for other sections",
    "ready": "can start",
    "running": "rendering",
    "retaken": "outside its limits: other takes",
    "rendered": "rendered, not decoded",
    "done": "finished",
    "failed": "failed",
    "cancelled": "cancelled",
}

MANY = 40
"""More sections than that get small cells."""


@dataclass(frozen=True)
class Cell:
    """One section. ``step`` of ``steps`` denoising steps are done by the last of its ``tries``, which is at ``place``;
    ``seconds``: how long that took so far; ``skipped``: what its step cache spared; ``picture``: its address; ``take``:
    which of its takes it is, 0 for the first; ``verdict``: the same in words, and how good, where it was judged."""

    index: int
    state: str
    step: int
    steps: int
    place: str
    seconds: float
    tries: int
    reason: str
    start: float
    stop: float
    prompt: str
    skipped: str = ""
    picture: str = ""
    take: int = 0
    verdict: str = ""


def cells(detail: Mapping[str, Any], now: datetime | None = None) -> list[Cell]:
    """The sections of ``GET /jobs/{id}``'s answer in viewer order; none while its plan is unknown."""
    if detail["plan"] is None:
        return []
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    for attempt in detail["attempts"]:
        attempts.setdefault(attempt["task_id"], []).append(attempt)
    tasks = {task["name"]: task for task in detail["tasks"]}
    skipped = {made["index"]: _skipped(made) for made in detail["rendered"]}
    verdicts = {made["index"]: _verdict(made) for made in detail["rendered"]}
    takes = {made["index"]: made.get("take") or 0 for made in detail["rendered"]}
    return [
        replace(
            cell,
            skipped=skipped.get(cell.index, ""),
            verdict=verdicts.get(cell.index, ""),
            picture=picture_of(detail, cell),
        )
        for section in detail["plan"]["section_list"]
        for take in [takes.get(section["index"], 0)]
        for cell in [_cell(section, take, tasks, attempts, detail["plan"]["fps"], now)]
    ]


def picture_of(detail: Mapping[str, Any], cell: Cell, strip: bool = False) -> str:
    """The address of a section's picture as it is now; empty while there is none."""
    return picture_url(detail, cell.index, cell.step if cell.state == "running" else None, strip)


def _skipped(made: Mapping[str, Any]) -> str:
    """How many steps a finished section's cache skipped, the smaller number of two CFG branches; empty for none."""
    count = made["steps"] - max(made["steps_computed"].values(), default=made["steps"])
    return f"{made['cache']} cache skipped {count} of {made['steps']} steps" if count else ""


def _verdict(made: Mapping[str, Any]) -> str:
    """Which take a section is and how good; empty where it was not judged."""
    if made.get("take") is None:
        return ""
    outside = f", outside {' and '.join(made['outside'])}" if made["outside"] else ""
    return f"take {made['take']}, score {made['score']:.2f}{outside}"


def _cell(
    section: Mapping[str, Any],
    take: int,
    tasks: Mapping[str, Mapping[str, Any]],
    attempts: Mapping[str, Sequence[Mapping[str, Any]]],
    fps: int,
    now: datetime | None,
) -> Cell:
    index = section["index"]
    task = tasks[section_name(index)]
    decode = tasks.get(decode_name(index))
    by = tasks.get(section_name(index, take), task)
    """The task that has rendered it."""
    tried = sorted(attempts.get(by["id"], ()), key=lambda attempt: attempt["number"])
    last = tried[-1] if tried else None
    state = task["state"]
    if state == "waiting" and section_name(index, 1) in tasks:
        state = "retaken"
    elif state == "done" and decode and decode["state"] == "failed":
        state = "failed"
    elif state == "done" and decode and decode["state"] != "done":
        state = "rendered"
    seconds = 0.0
    if last and (begin := when(last["started_at"])):
        seconds = ((when(last["finished_at"]) or now or datetime.now(UTC)) - begin).total_seconds()
    failed = decode if decode and decode["state"] == "failed" else task
    return Cell(
        index=index,
        state=state,
        step=last["step"] if last else 0,
        steps=last["steps"] if last else 0,
        place=last["place"] if last else "",
        seconds=seconds,
        tries=len(tried),
        reason=failed["reason"],
        start=section["first_frame"] / fps,
        stop=(section["last_frame"] + 1) / fps,
        prompt=section["prompt"],
        take=take,
    )


def timeline_html(cells: Sequence[Cell], chosen: int | None = None) -> str:
    """The sections, and the legend of all states: of the same height as long as there are the same sections."""
    body = "".join(_cell_html(cell, cell.index == chosen) for cell in cells)
    legend = "".join(f'<div><i style="background:{COLORS[s]}"></i>{text}</div>' for s, text in LEGEND.items())
    kind = "timeline many" if len(cells) > MANY else "timeline"
    return f'<div class="{kind}">{body}</div><div class="legend">{legend}</div>'


def _cell_html(cell: Cell, chosen: bool) -> str:
    tip = [f"section {cell.index}: {LEGEND.get(cell.state, cell.state)}", f"{cell.start:.2f}-{cell.stop:.2f} s"]
    if cell.place:
        tip.append(f"{cell.place}, step {cell.step} of {cell.steps}, {duration(cell.seconds)}")
    if cell.tries > 1:
        tip.append(f"{cell.tries} tries")
    tip.extend(text for text in (cell.skipped, cell.verdict, cell.reason, cell.prompt) if text)
    share = cell.step / cell.steps if cell.steps else 0.0
    again = f" ·take {cell.take}" if cell.take else ""
    again += f" ·{cell.tries}×" if cell.tries > 1 else ""
    lines = (f"<b>{cell.index}</b>{again}<u>{cell.start:.1f} s</u>", escape(cell.place), _progress(cell))
    label = "".join(f"<div>{line}</div>" for line in lines)
    picture = f'<img alt="" src="{escape(cell.picture)}">' if cell.picture else ""
    fill = f'<div class="fill" style="width:{share:.0%}"></div>' if cell.state == "running" else ""
    return (
        f'<button class="cell {escape(cell.state)}{" chosen" if chosen else ""}" data-section="{cell.index}" '
        f'style="--state:{COLORS.get(cell.state, COLORS["waiting"])}" title="{escape(chr(10).join(tip))}">'
        f'<div class="picture">{picture}{fill}</div><div class="label">{label}</div></button>'
    )


def _progress(cell: Cell) -> str:
    if not cell.place:
        return ""
    took = duration(cell.seconds)
    return f"{cell.step}/{cell.steps} · {took}" if cell.state == "running" and cell.steps else took
