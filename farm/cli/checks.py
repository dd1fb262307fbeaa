"""What ``farm doctor`` looks at on this machine. Each check is a real attempt, and names a remedy when it fails."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version

from farm.checks import Check, State, tried
from farm.settings import Settings

GB = 10**9
LEAST_DISK = 5 * GB
LEAST_MEMORY = 3 * GB


def run_checks(settings: Settings) -> Iterator[Check]:
    """All checks, as they finish. A check that breaks is a failed one; none stops the others."""
    for name, look in CHECKS.items():
        yield tried(name, partial(look, settings))


def _software(_: Settings) -> Check:
    found = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "ray", "streamlit"))
    return Check("software", State.OK, f"Python {platform.python_version()}, {found}")


def _machine(settings: Settings) -> Check:
    from model.device import free_memory

    memory = free_memory()
    found = f"{os.cpu_count()} cores, {memory / GB:.1f} GB of memory free"
    if memory < LEAST_MEMORY:
        return Check("machine", State.WARNING, found, "a replica on the CPU needs 1.5 GB; close other programs.")
    return Check("machine", State.OK, found)


def _devices(_: Settings) -> Check:
    import torch

    from model.device import free_memory, graphics_cards

    if not graphics_cards():
        return Check("devices", State.OK, "no GPU; replicas use CPU cores, which is enough for the family puppet")
    found, old = [], []
    for device in graphics_cards():
        card = torch.cuda.get_device_properties(device)
        found.append(f"{card.name} ({free_memory(device) / GB:.1f} of {card.total_memory / GB:.1f} GB free)")
        if card.major < 8:
            old.append(card.name)
    if old:
        remedy = f"{', '.join(old)}: no bf16, which the 13B models need; use cards of 2020 or later for them."
        return Check("devices", State.WARNING, "; ".join(found), remedy)
    return Check("devices", State.OK, "; ".join(found))


def _home(settings: Settings) -> Check:
    settings.ensure_home()
    free = shutil.disk_usage(settings.home).free
    found = f"{settings.home}, {free / GB:.1f} GB free"
    if free < LEAST_DISK:
        return Check(
            "home", State.WARNING, found, "renders pause when the disk is full; set FARM_HOME to a larger one."
        )
    return Check("home", State.OK, found)


def _database(settings: Settings) -> Check:
    from sqlalchemy import text
    from sqlalchemy.engine import make_url

    from farm.store.database import Database

    shown = make_url(settings.database_url).render_as_string(hide_password=True)
    database = Database(settings.database_url)
    try:
        database.migrate()
        database.read(lambda connection: connection.execute(text("SELECT 1")).scalar())
    finally:
        database.close()
    return Check("database", State.OK, shown)


def _artifacts(settings: Settings) -> Check:
    from farm.store.artifacts import open_store

    store = open_store(settings)
    folder = f"doctor-{os.getpid()}"
    store.write(f"{folder}/probe", b"probe")
    back = store.read(f"{folder}/probe")
    store.remove_prefix(folder)
    if back != b"probe":
        return Check("artifacts", State.FAILED, f"{settings.artifacts_url} gave back other bytes than were written")
    return Check("artifacts", State.OK, settings.artifacts_url)


def _encoder(_: Settings) -> Check:
    import av

    try:
        av.codec.Codec("libx264", "w")
    except ValueError:
        remedy = "install PyAV from its wheel, which brings FFmpeg with it: pip install --force-reinstall av"
        return Check("video encoder", State.FAILED, f"PyAV {av.__version__} has no H.264 encoder", remedy)
    return Check("video encoder", State.OK, f"H.264 by PyAV {av.__version__}")


def _plugins(settings: Settings) -> Check:
    from plugins.manager import get_manager

    manager = get_manager(settings)
    broken = [f"{info.name}: {info.reason}" for info in manager.plugins if not info.enabled]
    broken += [f"{entry.path}: {entry.reason}" for entry in manager.presets.broken]
    found = f"plug-ins: {len(manager.plugins)}, presets: {len(manager.presets.presets)}"
    if broken:
        return Check("plug-ins", State.WARNING, f"{found}; broken: {'; '.join(broken)}", "mend or remove the files.")
    return Check("plug-ins", State.OK, found)


def _loras(settings: Settings) -> Check:
    from model.loras.library import available

    found = f"{len(available(settings.model))} in {', '.join(map(str, settings.model.lora_folders))}"
    away = [str(folder) for folder in settings.model.more_loras if not folder.is_dir()]
    if away:
        remedy = "correct FARM_LORA_DIRS, or mount the disk."
        return Check("LoRAs", State.WARNING, f"{found}; not there: {', '.join(away)}", remedy)
    return Check("LoRAs", State.OK, found)


def _variables(_: Settings) -> Check:
    from farm.variables import unknown

    found = unknown(os.environ)
    if not found:
        return Check("settings", State.OK, "every FARM_ variable is known")
    said = [f"{name}" + (f" (did you mean {meant}?)" if meant else "") for name, meant in found.items()]
    return Check("settings", State.WARNING, f"unknown: {', '.join(said)}", "see docs/settings.md.")


def _service(settings: Settings) -> Check:
    from farm.client import FarmClient
    from farm.service.state import read_state

    state = read_state(settings)
    if state is None:
        return Check("service", State.OK, "not running; start it with: farm up")
    with FarmClient(state.url, timeout=5) as client:
        health = client.health()
    found = f"{state.url}: {health['status']}"
    if health["status"] != "ok":
        return Check("service", State.WARNING, found, f"see the logs in {settings.logs_dir}.")
    return Check("service", State.OK, found)


CHECKS: dict[str, Callable[[Settings], Check]] = {
    "software": _software,
    "machine": _machine,
    "devices": _devices,
    "settings": _variables,
    "home": _home,
    "database": _database,
    "artifacts": _artifacts,
    "video encoder": _encoder,
    "plug-ins": _plugins,
    "LoRAs": _loras,
    "service": _service,
}
