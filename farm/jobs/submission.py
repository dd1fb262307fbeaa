"""What a user sends, all in one: the fields of a request, of its order's terms and of its exports."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from .exports import Export, Exports, FileFields, read_export
from .order import JobOrder, Terms
from .request import RenderRequest


class Submission(RenderRequest, FileFields, Terms):
    """A render job as asked for, after a preset's values were merged in at the door. Unknown keys are an error, never
    dropped; ranges and defaults are those of the records that it is made of.

    ``exports``: several files, or one with options of its exporter, such as ``["mp4", "webm:crf=30"]``; what one of
    them does not say is as the fields beside it say. Empty: one file, by those fields alone, which otherwise are those
    of the first. ``draft``: rendered with fewer steps, smaller and with a step cache, to be promoted; ``full`` says
    what it is a draft of then, and is filled in where it is not given.
    """

    draft: bool = False

    exports: Exports = ()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Give each export what it does not say; one without options is no list."""
        given = values.get("exports") if isinstance(values, Mapping) else None
        if not isinstance(given, list | tuple) or not given:
            return values
        common = {name: values[name] for name in FileFields.model_fields if name in values and name != "exporter"}
        read = [_readable(export) for export in given]
        exports = [{**common, **export} if isinstance(export, Mapping) else export for export in read]
        first = exports[0]
        if not isinstance(first, Mapping):
            return values
        flat = {name: first[name] for name in FileFields.model_fields if name in first}
        alone = len(exports) == 1 and not first.keys() - FileFields.model_fields.keys() - {"options"}
        listed = () if alone and not first.get("options") else tuple(exports)
        return {**values, **flat, "exports": listed}

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of every file that travels beside it, by the name of its artifact."""
        return {**super().files, **self.job_order.files}

    @property
    def request(self) -> RenderRequest:
        """What decides the video."""
        return RenderRequest.model_construct(**_values(self, RenderRequest))

    @property
    def job_order(self) -> JobOrder:
        """Who asks, and what for."""
        exports = self.exports or (Export.model_construct(**_values(self, FileFields), options={}),)
        return JobOrder.model_construct(**_values(self, Terms), exports=exports)

    @classmethod
    def of(cls, request: RenderRequest, order: JobOrder) -> Self:
        """The same as one record."""
        listed = order.exports if len(order.exports) > 1 or order.export.options else ()
        return cls.model_construct(
            **_values(request, RenderRequest),
            **_values(order.export, FileFields),
            **_values(order, Terms),
            exports=listed,
            draft=order.full is not None,
        )


def changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a submission with others in their place. A new ``exporter`` is the only one then; what else is said
    of files goes for each of them."""
    fields = dict(fields)
    if {"exporter", "exports"} & changes.keys():
        fields.pop("exports", None)
    elif common := {name: changes[name] for name in FileFields.model_fields if changes.get(name) is not None}:
        read = [_readable(export) for export in fields.get("exports") or ()]
        fields["exports"] = [{**export, **common} if isinstance(export, Mapping) else export for export in read]
    return {**fields, **changes}


def _readable(export: object) -> object:
    """What can't be read is left to be refused where it stands."""
    try:
        return export.model_dump() if isinstance(export, Export) else read_export(export)
    except ValueError:
        return export


def _values(record: Any, kind: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in kind.model_fields}
