"""Whom to tell of what: FARM_HOME/notify.toml, which people write."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError, model_validator

from farm.errors import InputError
from farm.texts import one_line, read_toml

from .notice import Happening, Notice

WHEN_IDLE = "when-idle"
"""The rule of `farm up --when-idle`."""

Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(one_line)]
Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


class Smtp(BaseModel):
    """The server that takes mail. ``tls``: ``starttls``, ``tls`` from the first byte, or ``none``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Line
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    user: str = ""
    password: SecretStr = SecretStr("")
    sender: Address
    tls: Annotated[str, Field(pattern=r"^(starttls|tls|none)$")] = "starttls"


class Rule(BaseModel):
    """One of ``url``, ``mail``, ``command`` and ``sender`` is told when any of ``on`` happens.

    ``owner``: only of jobs of theirs. ``secret``: signs what a URL gets. ``private``: the URL may lead to this network.
    ``options``: of the sender, which a plug-in has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]
    on: Annotated[tuple[Happening, ...], Field(min_length=1)]
    owner: str | None = None
    url: HttpUrl | None = None
    secret: SecretStr = SecretStr("")
    private: bool = False
    mail: tuple[Address, ...] = ()
    command: tuple[Line, ...] = ()
    sender: str = ""
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.url, self.mail, self.command, self.sender))) != 1:
            raise ValueError("should have one of url, mail, command and sender")
        if self.options and not self.sender:
            raise ValueError("should have options only with a sender")
        return self

    def wants(self, notice: Notice) -> bool:
        """Whether it is to be told of this."""
        return notice.event in self.on and (self.owner is None or not notice.job or notice.owner == self.owner)

    @property
    def way(self) -> str:
        """How it is told, for lists; without secrets."""
        if self.url:
            return f"{self.url.scheme}://{self.url.host}"
        if self.sender:
            return f"sender {self.sender}"
        return f"mail to {', '.join(self.mail)}" if self.mail else f"command {shlex.join(self.command)}"


class Rules(BaseModel):
    """All of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smtp: Smtp | None = None
    notify: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = [rule.name for rule in self.notify]
        if len(set(names)) < len(names):
            raise ValueError("should have another name for each rule")
        if self.smtp is None and any(rule.mail for rule in self.notify):
            raise ValueError("should have [smtp] with host and sender, since a rule sends mail")
        return self


def rules_path(home: Path) -> Path:
    """Where they are."""
    return home / "notify.toml"


def read_rules(home: Path, when_idle: str = "") -> Rules:
    """The rules of a home; none where there is no file. ``when_idle``: a command for an empty queue.

    Raises:
        InputError: one line that names file, key and what was expected.
    """
    path = rules_path(home)
    try:
        values = read_toml(path, path.name)
    except FileNotFoundError:
        values = {}
    try:
        rules = Rules.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_first(error)}.") from None
    if not when_idle:
        return rules
    idle = Rule(name=WHEN_IDLE, on=(Happening.QUEUE_EMPTY,), command=tuple(split_command(when_idle)))
    return rules.model_copy(update={"notify": (*rules.notify, idle)})


def split_command(text: str) -> list[str]:
    """The words of a command; InputError when there are none, or a quote is left open."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no command: {str(error).lower()}.") from None
    if not words:
        raise InputError("a command to run is empty; expected such as 'systemctl suspend'.")
    return words


def _first(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    said = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    said = "unknown key" if first["type"] == "extra_forbidden" else said[:1].lower() + said[1:]
    return f"{key}: {said}" if key else said
