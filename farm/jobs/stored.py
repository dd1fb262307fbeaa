"""Requests as rows keep them, read tolerantly: what another version of the farm wrote is brought up to date, and what
can't be read concerns its own job only."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from farm.errors import UnreadableJobError

from .exports import FileFields
from .order import Terms
from .request import RenderRequest

REQUEST_VERSION = 2
"""Of the requests that this version writes."""
_OF_ORDERS = frozenset(Terms.model_fields) | frozenset(FileFields.model_fields)
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda fields: {name: value for name, value in fields.items() if name not in _OF_ORDERS},
}
"""By version, what brings a request's fields to the next one. Whoever renames or removes a field adds one."""


@dataclass(frozen=True)
class StoredRequest:
    """A request as its row holds it. ``text``: JSON; ``version``: of the farm's requests, see ``REQUEST_VERSION``."""

    text: str
    version: int = REQUEST_VERSION

    @classmethod
    def of(cls, request: RenderRequest) -> "StoredRequest":
        return cls(request.model_dump_json(include=set(RenderRequest.model_fields)))

    @cached_property
    def fields(self) -> dict[str, Any]:
        """What is written there, unchecked; empty when that is no JSON object."""
        try:
            fields = json.loads(self.text)
        except ValueError:
            return {}
        return fields if isinstance(fields, dict) else {}

    @cached_property
    def request(self) -> RenderRequest:
        """The request as this version understands it.

        Raises:
            UnreadableJobError: it does not understand it.
        """
        if self.version > REQUEST_VERSION:
            raise UnreadableJobError(
                f"its request is of version {self.version}, this farm knows versions up to {REQUEST_VERSION}; "
                "update the farm, or submit the job again."
            )
        fields = self.fields
        for version in range(self.version, REQUEST_VERSION):
            fields = UPGRADES[version](fields)
        try:
            return RenderRequest.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"]) or "the request"
            what = "unknown to this version" if first["type"] == "extra_forbidden" else str(first["msg"])
            raise UnreadableJobError(
                f"its request can't be read: {name} is {what}; use the version of the farm that it was submitted to, "
                "or submit it again."
            ) from None
