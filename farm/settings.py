"""Where the farm lives: home folder, database, artifacts and address, read once from the environment."""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from model.memory import PLACEMENTS
from model.settings import ModelSettings

from .errors import InputError, StorageError, unknown_name
from .home import farm_home
from .templates import DEFAULT as DEFAULT_NAMES
from .templates import check_template

DEFAULT_URL = "http://127.0.0.1:8000"
EXPORTER_SECONDS = 600.0
KEEP_LATENTS_DAYS = 30.0
CACHE_GB = 20.0
MAX_UPLOAD = 100_000_000
"""Bytes of one request to the HTTP API, and so of what the dashboard's upload box takes."""
_HOST_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs")
UNFIT_STORES = {
    "memory": "memory is private to one process, and gone with it",
    "ftp": "FTP can't replace a file by another at once, so that files would be seen half-written",
    "sftp": "SFTP can't replace a file by another at once on every server; mount the folder instead",
    "ssh": "there is no store of that kind; mount the folder instead",
    "smb": "a share is used by mounting it",
    "data": "data: holds one file and can't be written",
    "github": "it can't be written",
    "zip": "an archive can't be written by several machines",
    "local": "write file:// for a folder",
}
"""Why what fsspec offers is no place for artifacts."""
DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True)
class Settings:
    """Everything that comes from the environment; ``farm.variables`` says what each setting means.

    Attributes:
        home: ``FARM_HOME``.
        database_url: ``FARM_DATABASE_URL``; default: SQLite in the home.
        artifacts_url: ``FARM_ARTIFACTS_URL``; default: a folder in the home.
        url: ``FARM_URL``, the address of the HTTP API.
        gpu_memory_preservation: ``FARM_GPU_MEMORY_PRESERVATION``, in GB.
        exporter_seconds: ``FARM_EXPORTER_SECONDS``.
        memory_plan: ``FARM_MEMORY_PLAN``; empty for the fastest that fits.
        dashboard_hosts: ``FARM_DASHBOARD_HOSTS``.
        dashboard_url: where the farm's own dashboard listens, as its supervisor says; empty for none.
        keep_latents_days: ``FARM_KEEP_LATENTS_DAYS``; infinite for ever.
        disk_budget_gb: ``FARM_DISK_BUDGET_GB``; infinite for none.
        node_token: ``FARM_NODE_TOKEN``; empty for what is in ``node_token_path``.
        cache_gb: ``FARM_CACHE_GB``.
        model_limits: ``FARM_MODEL_LIMITS``.
        when_idle: ``FARM_WHEN_IDLE``.
        file_names: ``FARM_FILE_NAMES``, a template.
        identity: ``FARM_IDENTITY``, whether decoded sections are compared with the start image.
        model: what models are opened with: folders of weights and LoRAs, kernels; see ``model.settings``.
    """

    home: Path
    database_url: str = field(repr=False)
    artifacts_url: str
    model: ModelSettings
    url: str = DEFAULT_URL
    gpu_memory_preservation: float = 1.0
    exporter_seconds: float = EXPORTER_SECONDS
    memory_plan: str = ""
    dashboard_hosts: tuple[str, ...] = ()
    dashboard_url: str = ""
    keep_latents_days: float = KEEP_LATENTS_DAYS
    disk_budget_gb: float = math.inf
    node_token: str = field(default="", repr=False)
    cache_gb: float = CACHE_GB
    when_idle: str = ""
    file_names: str = DEFAULT_NAMES
    identity: bool = False
    follows: bool = False
    model_limits: Mapping[str, int] = field(default_factory=dict, hash=False)

    @classmethod
    def for_home(cls, home: Path, *, url: str = DEFAULT_URL, environ: Mapping[str, str] | None = None) -> Self:
        """Settings of a farm that keeps everything under ``home``; where this machine has its models, and how they run
        on it, is as the environment says.

        Raises:
            InputError: a value of that can't be used.
        """
        file = str(home / "farm.sqlite3").replace("%", "%25").replace("?", "%3F")
        model = ModelSettings.of(os.environ if environ is None else environ, home)
        return cls(home, f"sqlite:///{file}", (home / "artifacts").as_uri(), model, url)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the variables named above; an empty one counts as unset.

        Raises:
            InputError: a value can't be used.
        """
        values = {key: value.strip() for key, value in (os.environ if environ is None else environ).items()}
        default = cls.for_home(farm_home(values), environ=values)
        return cls(
            home=default.home,
            model=default.model,
            database_url=_database_url(values.get("FARM_DATABASE_URL") or default.database_url),
            artifacts_url=_artifacts_url(values.get("FARM_ARTIFACTS_URL") or default.artifacts_url),
            url=_http_url(values.get("FARM_URL") or default.url),
            gpu_memory_preservation=_number(
                values,
                "FARM_GPU_MEMORY_PRESERVATION",
                default.gpu_memory_preservation,
                lambda gigabytes: 0 <= gigabytes <= 1000,
                "a number of GB from 0 to 1000, such as 2.5",
            ),
            exporter_seconds=_number(
                values,
                "FARM_EXPORTER_SECONDS",
                default.exporter_seconds,
                lambda seconds: 0 < seconds < math.inf,
                f"a number of seconds above 0, such as {EXPORTER_SECONDS:g}",
            ),
            memory_plan=_memory_plan(values.get("FARM_MEMORY_PLAN") or ""),
            dashboard_hosts=_host_names(values.get("FARM_DASHBOARD_HOSTS") or ""),
            dashboard_url=values.get("FARM_DASHBOARD_URL", ""),
            keep_latents_days=_number(
                values,
                "FARM_KEEP_LATENTS_DAYS",
                default.keep_latents_days,
                lambda days: days >= 0,
                "a number of days from 0, such as 30, or inf",
            ),
            disk_budget_gb=_number(
                values,
                "FARM_DISK_BUDGET_GB",
                default.disk_budget_gb,
                lambda gigabytes: gigabytes > 0,
                "a number of GB above 0, such as 500, or inf",
            ),
            node_token=values.get("FARM_NODE_TOKEN", ""),
            cache_gb=_number(
                values,
                "FARM_CACHE_GB",
                default.cache_gb,
                lambda gigabytes: 0 < gigabytes < math.inf,
                f"a number of GB above 0, such as {CACHE_GB:g}",
            ),
            model_limits=_model_limits(values.get("FARM_MODEL_LIMITS") or ""),
            when_idle=values.get("FARM_WHEN_IDLE", ""),
            file_names=_file_names(values.get("FARM_FILE_NAMES") or default.file_names),
            identity=_switch(values, "FARM_IDENTITY"),
        )

    def on_node(self, environ: Mapping[str, str]) -> "Settings":
        """These settings of the head as they count on another node: its own home, way to the artifacts, credential and
        cache, as far as ``environ`` names them, and its own models and kernels. It follows the head's plug-ins and
        presets.

        Raises:
            InputError: a value can't be used.
        """
        names = ("FARM_HOME", "FARM_ARTIFACTS_URL", "FARM_NODE_TOKEN", "FARM_CACHE_GB")
        named = {name: environ.get(name, "").strip() for name in names}
        own = Settings.from_environment(named)
        home = own.home if named["FARM_HOME"] else self.home
        return replace(
            self,
            home=home,
            model=ModelSettings.of(environ, home),
            artifacts_url=own.artifacts_url if named["FARM_ARTIFACTS_URL"] else self.artifacts_url,
            node_token=own.node_token or self.node_token,
            cache_gb=own.cache_gb if named["FARM_CACHE_GB"] else self.cache_gb,
            follows=bool(named["FARM_HOME"]),
        )

    @property
    def token_path(self) -> Path:
        """The file with the bearer token of the HTTP API."""
        return self.home / "token"

    @property
    def users_path(self) -> Path:
        """The list of people who may use the farm."""
        return self.home / "users.json"

    @property
    def farm_id_path(self) -> Path:
        """The file with the name by which this farm is told from others on one database."""
        return self.home / "farm-id"

    @property
    def node_token_path(self) -> Path:
        """The file with the token of machines that render for the farm; on one that joined, a copy of the head's."""
        return self.home / "node-token"

    @property
    def partial_dir(self) -> Path:
        """What is finished of videos that are not, joined for those who look at them."""
        return self.home / "cache" / "partial"

    @property
    def cache_dir(self) -> Path:
        """What this machine has of artifacts that are kept elsewhere."""
        return self.home / "cache" / "artifacts"

    @property
    def artifacts_dir(self) -> Path:
        return self.home / "artifacts"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    @property
    def presets_dir(self) -> Path:
        """The user's own preset files (TOML)."""
        return self.home / "presets"

    @property
    def default_presets_path(self) -> Path:
        """Which preset each model starts with."""
        return self.home / "default-presets.toml"

    @property
    def plugins_dir(self) -> Path:
        """The user's own plug-in files (Python)."""
        return self.home / "plugins"

    @property
    def followed_dir(self) -> Path:
        """What this machine has of the head's plug-ins and presets; see ``farm.joining.following``."""
        return self.home / "cache" / "head"

    @property
    def followed_link(self) -> Path:
        """Link to the folder with what the head has now."""
        return self.followed_dir / "current"

    @property
    def loras_dir(self) -> Path:
        """LoRA files (safetensors) that requests name."""
        return self.home / "loras"

    @property
    def run_dir(self) -> Path:
        """State of the running service."""
        return self.home / "run"

    @property
    def login_keys_dir(self) -> Path:
        """Keys of links that sign in to the dashboard once."""
        return self.run_dir / "login-keys"

    @property
    def speed_path(self) -> Path:
        """The file with the speed of a core of this machine, in units a second, as a short render measured it."""
        return self.run_dir / "speed"

    def ensure_home(self) -> "Settings":
        """Create the home and its folders, readable by the user only; return self.

        Raises:
            StorageError: the home can't be created or written.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (
                self.artifacts_dir,
                self.logs_dir,
                self.presets_dir,
                self.plugins_dir,
                self.loras_dir,
                self.run_dir,
            ):
                folder.mkdir(exist_ok=True)
            probe = self.home / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(
                f"can't write to the farm's home {str(self.home)!r}: {reason}. "
                "Make it writable or set FARM_HOME to another folder."
            ) from error
        return self


def _number(
    values: Mapping[str, str], name: str, default: float, fits: Callable[[float], bool], expected: str
) -> float:
    value = values.get(name) or str(default)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not fits(number):
        raise InputError(f"{name} is {value!r}; expected {expected}.")
    return number


def _switch(values: Mapping[str, str], name: str) -> bool:
    value = values.get(name) or "0"
    if value not in ("0", "1"):
        raise InputError(f"{name} is {value!r}; expected 0 or 1.")
    return value == "1"


def _memory_plan(value: str) -> str:
    if value and value not in PLACEMENTS:
        raise unknown_name("memory plan", value, list(PLACEMENTS))
    return value


def _model_limits(value: str) -> dict[str, int]:
    limits = {}
    for pair in filter(None, (pair.strip() for pair in value.split(","))):
        name, _, number = (part.strip() for part in pair.partition("="))
        if not name or not number.isdecimal() or int(number) < 1:
            raise InputError(f"FARM_MODEL_LIMITS has {pair!r}; expected such as framepack=2,puppet=4.")
        limits[name] = int(number)
    return limits


def _file_names(value: str) -> str:
    try:
        return check_template(value)
    except ValueError as error:
        raise InputError(f"FARM_FILE_NAMES is {value!r}; it {error}.") from None


def _host_names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise InputError(
                f"FARM_DASHBOARD_HOSTS has {name!r}; expected names such as farm.example.org, with commas."
            )
    return names


def _database_url(value: str) -> str:
    scheme = value.partition("://")[0]
    if scheme == value or scheme not in DATABASE_SCHEMES:
        raise InputError(
            f"FARM_DATABASE_URL is {_without_password(value)!r}; expected sqlite:////absolute/path.sqlite3 or postgresql://user@host/database."
        )
    return value


def _artifacts_url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator:
        path = Path(value).expanduser()
        if not path.is_absolute():
            raise InputError(
                f"FARM_ARTIFACTS_URL is {value!r}; expected an absolute folder or a URL such as file:///data or s3://bucket."
            )
        return path.as_uri()
    if scheme in ("http", "https"):
        return _http_url(value, "FARM_ARTIFACTS_URL", "http://head:8000, the address of the farm's head")
    if scheme != "file":
        _require_store(scheme, value)
    if not rest:
        raise InputError(f"FARM_ARTIFACTS_URL is {value!r}; expected a folder or bucket after {scheme}://.")
    return value


def _require_store(scheme: str, value: str) -> None:
    """That ``scheme`` is of an object store whose client is installed."""
    if scheme not in OBJECT_STORES:
        why = UNFIT_STORES.get(scheme, "nothing is known of such a store")
        raise InputError(
            f"FARM_ARTIFACTS_URL is {value!r}: {why}. Expected a folder, file://, s3:// or a head's http://HOST:PORT."
        )
    import fsspec  # type: ignore[import-untyped]

    try:
        fsspec.get_filesystem_class(scheme)
    except (ValueError, ImportError) as error:
        hint = " It comes with: pip install 'framepack-farm[s3]'." if scheme in ("s3", "s3a") else ""
        raise InputError(f"FARM_ARTIFACTS_URL is {value!r}: {str(error).rstrip('.')}.{hint}") from error


def _http_url(value: str, name: str = "FARM_URL", expected: str = DEFAULT_URL) -> str:
    parts = urlsplit(value)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"{name} is {value!r}; expected a URL such as {expected}.")
    return value.rstrip("/")


def _without_password(url: str) -> str:
    """``url`` without the password in it, for messages."""
    scheme, separator, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{host}"
