"""Post-processors one after the other, in the process of the export."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from farm.errors import FarmError, PluginError

from ..exporters.base import ExportInfo, Frame, SectionInfo, checked
from .base import MAX_FPS, MAX_SIDE, PostProcessor, Shape

Step = tuple[PostProcessor, dict[str, Any]]
"""A post-processor and the options that were given."""


def processed(frames: Iterator[Frame], info: ExportInfo, steps: Sequence[Step]) -> tuple[Iterator[Frame], ExportInfo]:
    """``frames`` as the steps leave them, and what an exporter is to know of them.

    Raises:
        PluginError: a step can't say what it makes, or that is no video of the same length; while frames are taken,
            that one fails or does not make what it said.
    """
    for processor, given in steps:
        before = shape_of(info)
        try:
            options = _options(processor, given)
            after = processor.shape(before, options)
        except Exception as error:
            raise _fault(processor, error) from error
        _check(processor, before, after)
        info = reshaped(info, after)
        frames = _made(processor, processor.process(frames, before, options), info)
    return frames, info


def shape_of(info: ExportInfo) -> Shape:
    """What its frames are like."""
    return Shape(info.width, info.height, info.fps, info.frames)


def reshaped(info: ExportInfo, shape: Shape) -> ExportInfo:
    """The same video with other frames; its sections stand where they stood."""
    if shape == shape_of(info):
        return info

    def at(frame: int) -> int:
        return min(round(frame * shape.fps / info.fps), shape.frames)

    bounds = [(section, at(section.first_frame), at(section.first_frame + section.frames)) for section in info.sections]
    sections = tuple(SectionInfo(of.index, first, end - first, of.prompt) for of, first, end in bounds if end > first)
    return replace(info, **vars(shape), sections=sections)


def _made(processor: PostProcessor, frames: Iterator[Frame], info: ExportInfo) -> Iterator[Frame]:
    try:
        yield from checked(frames, info)
    except (FarmError, OSError, MemoryError, ImportError) as error:
        if type(error) is FarmError:  # it made something else than it said
            raise PluginError(f"post-processor {processor.name!r}: {error}") from None
        raise
    except Exception as error:
        raise _fault(processor, error) from error


def _options(processor: PostProcessor, given: dict[str, Any]) -> BaseModel | None:
    model: type[BaseModel] | None = getattr(processor, "options", None)
    if model is None:
        return None
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise PluginError(f"the options {given} can't be used: {' '.join(str(error).split())}") from None


def _check(processor: PostProcessor, before: Shape, after: Shape) -> None:
    if not (0 < after.width <= MAX_SIDE and 0 < after.height <= MAX_SIDE and 0 < after.fps <= MAX_FPS):
        raise PluginError(
            f"post-processor {processor.name!r} would make {after.width}x{after.height} pixels at {after.fps} frames a "
            f"second; at most {MAX_SIDE} pixels a side and {MAX_FPS} frames a second can be."
        )
    if abs(after.seconds - before.seconds) > 1 / min(after.fps, before.fps):
        raise PluginError(
            f"post-processor {processor.name!r} makes {after.seconds:.3f} s of {before.seconds:.3f} s; videos keep "
            "their length."
        )


def _fault(processor: PostProcessor, error: Exception) -> PluginError:
    what = str(error) if isinstance(error, FarmError) else f"{type(error).__name__}: {error}"
    return PluginError(f"post-processor {processor.name!r} failed: {what}")
