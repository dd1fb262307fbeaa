"""``farm doctor``: is this machine fit to render, and how would a large model use its memory?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output

if TYPE_CHECKING:
    from model.memory import MemoryPlan

STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}
LARGE = {"framepack": "13B", "helios": "14B"}
"""Families that need a memory plan, and the weights of their transformers; those like them have the same."""


def doctor(
    card: Annotated[
        float | None, typer.Option(min=0, help="Show the memory plan of a card with this many GB, owned or not.")
    ] = None,
    host: Annotated[
        float | None, typer.Option(min=0, help="Memory of its host in GB; default: this machine's.")
    ] = None,
    preserve: Annotated[
        float | None,
        typer.Option(min=0, help="GB to keep free on the card; default: FARM_GPU_MEMORY_PRESERVATION or 1."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check this machine: software, memory, devices, disk, database, encoder, plug-ins, service.

    For the large models it also shows which memory plan each GPU gets and what would lie where. Exit code 1 when
    something has failed.

    Example: farm doctor --card 12 --host 32
    """
    from farm.settings import Settings

    from .checks import run_checks

    settings = Settings.from_environment()
    console = output.console()
    checks = []
    if card is None:
        for check in run_checks(settings):
            checks.append(check)
            if not as_json:
                console.print(f"[{STYLES[check.state]}]{check.state:8}[/] {check.name:14}", end="")
                console.print(check.finding, markup=False, soft_wrap=True)
                if check.remedy:
                    console.print(f"{'':23} -> {check.remedy}", markup=False, soft_wrap=True)
    plans = _plans(card, host, settings.gpu_memory_preservation if preserve is None else preserve)
    if as_json:
        output.print_json({"checks": [vars(check) for check in checks], "memory": [_facts(*plan) for plan in plans]})
    else:
        for title, plan in plans:
            _print_plan(title, plan)
        if not plans:
            console.print("The large models need a GPU of 6 GB or more; farm doctor --card 12 shows how one is used.")
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def _plans(card: float | None, host: float | None, preserve: float) -> "list[tuple[str, MemoryPlan | str]]":
    """(title, plan or the reason why there is none) of the card asked about, or of every GPU here."""
    from farm.errors import FarmError
    from model.device import GB, free_memory
    from model.memory import footprint, plan_memory

    memory = free_memory() / GB if host is None else host
    found: list[tuple[str, MemoryPlan | str]] = []
    cards = _cards() if card is None else [(f"a card of {card:g} GB", card)]
    for name, size, (family, weights) in ((*card, model) for model in LARGE.items() for card in cards):
        title = f"{family} ({weights}) on {name}, host with {memory:.0f} GB"
        try:
            found.append((title, plan_memory(footprint(family), size, memory, preserve=preserve)))
        except FarmError as error:
            found.append((title, str(error)))
    return found


def _cards() -> list[tuple[str, float]]:
    """Name and free memory in GB of every GPU."""
    import torch

    from model.device import GB, free_memory, graphics_cards

    return [(torch.cuda.get_device_name(device), free_memory(device) / GB) for device in graphics_cards()]


def _print_plan(title: str, plan: "MemoryPlan | str") -> None:
    console = output.console()
    console.print()
    console.print(title, style="bold")
    if isinstance(plan, str):
        console.print(plan, markup=False, style="red")
        return
    console.print(f"plan [cyan]{plan.name}[/]: {plan.placement.summary}")
    table = output.table("part", "where", "card GB>", "host GB>")
    for row in plan.rows:
        table.add_row(row.part, row.where, *(f"{size:.1f}" if size else "" for size in (row.card, row.host)))
    table.add_row("peak, one task at a time", "", f"{plan.card:.1f}", f"{plan.host:.1f}", style="bold")
    console.print(table)


def _facts(title: str, plan: "MemoryPlan | str") -> dict[str, Any]:
    if isinstance(plan, str):
        return {"title": title, "error": plan}
    return {
        "title": title,
        "plan": plan.name,
        "one_piece": plan.one_piece,
        "text_on_card": plan.text_on_card,
        "card_gb": round(plan.card, 2),
        "host_gb": round(plan.host, 2),
        "parts": [vars(row) for row in plan.rows],
    }
