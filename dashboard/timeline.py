"""The section timeline: one cell per section in viewer order, coloured by what has been done for it. Pure HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from typing import Any

from dashboard.looks import duration, when
from farm.jobs.names import decode_name, section_name

COLORS = {
    "waiting": "#2b3242",
    "ready": "#4a5468",
    "running": "#7c9cff",
    "rendered": "#2f9e77",
    "done": "#4cc38a",
    "failed": "#f2665e",
    "cancelled": "#5b6070",
}
LEGEND = {
    "waiting": "waits for other sections",
    "ready": "can start",
    "running": "rendering",
    "rendered": "rendered, not decoded",
    "done": "finished",
    "failed": "failed",
}

STYLE = """
<style>
.timeline { display: flex; gap: 3px; width: 100%; }
.timeline.many { gap: 1px; }
.timeline .cell { position: relative; flex: 1 1 0; min-width: 0; height: 66px; border-radius: 6px; overflow: hidden;
  color: #0c0f15; font-size: 12px; padding: 6px 8px; box-sizing: border-box; white-space: nowrap; }
.timeline.many .cell { height: 44px; border-radius: 3px; padding: 0; }
.timeline .waiting, .timeline .ready, .timeline .cancelled { color: #d5dae4; }
.timeline .cell b { font-size: 13px; }
.timeline .fill { position: absolute; left: 0; bottom: 0; top: 0; background: #7c9cff; opacity: 0.9; }
.timeline .cell div { position: relative; }
.timeline .running { background: #36425f; color: #f3f6ff; }
.scale { display: flex; justify-content: space-between; font-size: 12px; opacity: 0.6; margin: 4px 2px 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12px; opacity: 0.8; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
</style>
"""


@dataclass(frozen=True)
class Cell:
    """One section. ``share`` is how much of its denoising is done, ``seconds`` how long its rendering took so far,
    ``skipped`` what its step cache spared."""

    index: int
    state: str
    share: float
    replica: str
    seconds: float
    tries: int
    reason: str
    start: float
    stop: float
    prompt: str
    skipped: str = ""


def cells(detail: Mapping[str, Any], now: datetime | None = None) -> list[Cell]:
    """The sections of ``GET /jobs/{id}``'s answer in viewer order; none while its plan is unknown."""
    if detail["plan"] is None:
        return []
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    for attempt in detail["attempts"]:
        attempts.setdefault(attempt["task_id"], []).append(attempt)
    tasks = {task["name"]: task for task in detail["tasks"]}
    skipped = {made["index"]: _skipped(made) for made in detail["rendered"]}
    return [
        replace(_cell(section, tasks, attempts, detail["plan"]["fps"], now), skipped=skipped.get(section["index"], ""))
        for section in detail["plan"]["section_list"]
    ]


def _skipped(made: Mapping[str, Any]) -> str:
    """How many steps a finished section's cache skipped, the smaller number of two CFG branches; empty for none."""
    count = made["steps"] - max(made["steps_computed"].values(), default=made["steps"])
    return f"{made['cache']} cache skipped {count} of {made['steps']} steps" if count else ""


def _cell(
    section: Mapping[str, Any],
    tasks: Mapping[str, Mapping[str, Any]],
    attempts: Mapping[str, Sequence[Mapping[str, Any]]],
    fps: int,
    now: datetime | None,
) -> Cell:
    index = section["index"]
    task = tasks[section_name(index)]
    decode = tasks.get(decode_name(index))
    tried = sorted(attempts.get(task["id"], ()), key=lambda attempt: attempt["number"])
    last = tried[-1] if tried else None
    state = task["state"]
    if state == "done" and decode and decode["state"] == "failed":
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
        share=last["step"] / last["steps"] if last and last["steps"] else 0.0,
        replica=last["replica"] if last else "",
        seconds=seconds,
        tries=len(tried),
        reason=failed["reason"],
        start=section["first_frame"] / fps,
        stop=(section["last_frame"] + 1) / fps,
        prompt=section["prompt"],
    )


def timeline_html(cells: Sequence[Cell]) -> str:
    """The bar, its time scale and the legend of the states that occur."""
    many = len(cells) > 16
    body = "".join(_cell_html(cell, many) for cell in cells)
    end = cells[-1].stop if cells else 0.0
    scale = "".join(f"<span>{end * part / 4:.1f} s</span>" for part in range(5))
    seen = [state for state in COLORS if any(cell.state == state for cell in cells)]
    legend = "".join(f'<div><i style="background:{COLORS[s]}"></i>{LEGEND.get(s, s)}</div>' for s in seen)
    kind = "timeline many" if many else "timeline"
    return f'{STYLE}<div class="{kind}">{body}</div><div class="scale">{scale}</div><div class="legend">{legend}</div>'


def _cell_html(cell: Cell, many: bool) -> str:
    tip = [f"section {cell.index + 1}: {LEGEND.get(cell.state, cell.state)}", f"{cell.start:.2f}-{cell.stop:.2f} s"]
    if cell.replica:
        tip.append(f"{cell.replica}, {duration(cell.seconds)}")
    if cell.tries > 1:
        tip.append(f"{cell.tries} tries")
    tip.extend(text for text in (cell.skipped, cell.reason, cell.prompt) if text)
    fill = (
        f'<div class="fill" style="position:absolute;width:{cell.share:.0%}"></div>' if cell.state == "running" else ""
    )
    label = ""
    if not many:
        took = duration(cell.seconds) if cell.replica else ""
        again = f" ·{cell.tries}×" if cell.tries > 1 else ""
        lines = (f"<b>{cell.index + 1}</b>{again}", escape(cell.replica), took)
        label = "".join(f"<div>{line}</div>" for line in lines)
    background = "" if cell.state == "running" else f"background:{COLORS.get(cell.state, '#2b3242')}"
    return (
        f'<div class="cell {escape(cell.state)}" data-section="{cell.index}" style="{background}" '
        f'title="{escape(chr(10).join(tip))}">{fill}{label}</div>'
    )
