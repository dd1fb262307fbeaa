"""Every environment variable that the farm reads, for docs/settings.md and ``farm doctor``.

``python -m farm.variables`` prints the table of the docs.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One setting. ``name`` may hold ``<FAMILY>``, for the capital name of a model family with ``_`` for ``-``."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "FARM_HOME",
        "the user's data folder, such as `~/.local/share/framepack-farm`",
        "Where everything is kept: database, videos, token, logs, presets, plug-ins, LoRAs, downloaded weights.",
    ),
    Variable(
        "FARM_DATABASE_URL",
        "`farm.sqlite3` in the home",
        "The database: `sqlite:////absolute/path` or `postgresql://user:password@host/name`.",
    ),
    Variable(
        "FARM_ARTIFACTS_URL",
        "`artifacts` in the home",
        "Where finished sections and videos are kept: an absolute folder, `s3://bucket/folder`, or on a node "
        "the head's `http://head:8000`; see [architecture](architecture.md#artifacts).",
    ),
    Variable(
        "FARM_NODE_TOKEN",
        "the file `node-token` in the home",
        "What a node shows the head, to join and for artifacts; `farm token --node` prints it there. The head's first "
        "`farm up` takes it over.",
    ),
    Variable(
        "FARM_CACHE_GB",
        "20",
        "GB of artifacts kept elsewhere that this machine keeps in `cache/artifacts` of its home.",
    ),
    Variable("FARM_URL", "`http://127.0.0.1:8000`", "The HTTP API that commands and the dashboard talk to."),
    Variable("FARM_TOKEN", "the file `token` in the home", "What commands and the dashboard send to the API."),
    Variable(
        "FARM_DASHBOARD_HOSTS",
        "none",
        "Further host names, with commas, under which browsers may open the dashboard, as behind a proxy.",
    ),
    Variable(
        "FARM_OIDC_URL",
        "none",
        "A provider of identities (OpenID Connect), such as `https://accounts.google.com`, by which people sign in to "
        "the dashboard: see [security](security.md#people).",
    ),
    Variable("FARM_OIDC_CLIENT_ID", "none", "How that provider calls this farm."),
    Variable("FARM_OIDC_CLIENT_SECRET", "none", "What this farm shows that provider."),
    Variable(
        "FARM_MEMORY_PLAN",
        "the fastest that fits",
        "The largest memory plan that replicas use: see [memory](memory.md).",
    ),
    Variable("FARM_GPU_MEMORY_PRESERVATION", "1", "GB that every replica leaves free on its GPU."),
    Variable("FARM_ATTENTION", "the best that is installed", "Attention backend: see [transformer](transformer.md)."),
    Variable("FARM_COMPILE", "off", "`1` compiles the transformer: see [transformer](transformer.md)."),
    Variable("FARM_CPU_CLASS", "", "Set by `farm join` where a processor gives other bits than the head's."),
    Variable("FARM_MATMUL", "bf16", "`fp8` multiplies 8-bit floats: see [transformer](transformer.md)."),
    Variable(
        "FARM_<FAMILY>_PATH",
        "found in the home and the Hugging Face cache",
        "Folder with a model's weights, such as `FARM_FRAMEPACK_F1_PATH`: see [models](models.md).",
    ),
    Variable(
        "FARM_LORA_DIRS",
        "none",
        "Folders with LoRAs beside `loras` in the home, with `:` between: see [models](models.md#lora).",
    ),
    Variable("FARM_EXPORTER_SECONDS", "600", "For how long an exporter may do nothing before it is stopped."),
    Variable(
        "FARM_MODEL_LIMITS",
        "none",
        "Most tasks at a time that use a model, such as `framepack=2,puppet=4`, so that it leaves seats to others.",
    ),
    Variable(
        "FARM_IDENTITY",
        "off",
        "`1` on the head measures how like the start image each section is: see [quality](quality.md#identity).",
    ),
    Variable(
        "FARM_WHEN_IDLE",
        "none",
        "A command that the head runs when the last job has ended, as `farm up --when-idle` sets it.",
    ),
    Variable(
        "FARM_FILE_NAMES",
        "`{name}-{id}`",
        "What files are called when people fetch them: see [exports](exports.md#names-of-files).",
    ),
    Variable(
        "FARM_KEEP_LATENTS_DAYS",
        "30",
        "For how long the sections of a finished video are kept, for other exports, redo and fork; `inf`: for ever.",
    ),
    Variable(
        "FARM_DISK_BUDGET_GB",
        "none",
        "GB of files beyond which the sections of the oldest finished videos go earlier: see `farm disk`.",
    ),
    Variable("FARM_DEBUG", "off", "`1` shows tracebacks, like `--debug`."),
)

INTERNAL = frozenset({"FARM_CHILD_OF", "FARM_CHILD_FAMILY", "FARM_DASHBOARD_URL", "FARM_PLUGIN_API"})
"""Not for users: marks that processes of the farm give each other, and a plug-in's constant."""


def unknown(names: Iterable[str]) -> dict[str, str]:
    """Those of ``names`` that look like settings of the farm and are none, each with the likeliest one meant, or ''."""
    known = [variable.name for variable in VARIABLES if "<" not in variable.name]
    found = {}
    for name in names:
        path = name.startswith("FARM_") and name.endswith("_PATH")
        if name.startswith("FARM_") and name not in known and name not in INTERNAL and not path:
            found[name] = next(iter(difflib.get_close_matches(name, known, n=1)), "")
    return found


def table() -> str:
    """All variables as a table in Markdown."""
    rows = [f"| `{variable.name}` | {variable.default} | {variable.meaning} |" for variable in VARIABLES]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
