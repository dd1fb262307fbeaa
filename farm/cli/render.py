"""`farm render`: one video on this machine, without a service."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import media, options

if TYPE_CHECKING:
    from rich.progress import Progress

    from farm.jobs.records import Job, Task

DEFAULT_SEED = 31337


def render(
    context: typer.Context,
    image: media.Image = None,
    prompt: media.Prompt = None,
    seconds: options.Seconds = None,
    preset: options.Preset = None,
    model: options.Model = None,
    order: options.Order = None,
    seed: options.Seed = DEFAULT_SEED,
    steps: options.Steps = None,
    sampler: options.Sampler = None,
    cache: options.Cache = None,
    resolution: options.Resolution = None,
    output_fps: options.OutputFps = None,
    motion_bias: options.MotionBias = None,
    consistency_boost: options.ConsistencyBoost = None,
    tail: options.Tail = None,
    exact_length: options.ExactLength = False,
    end_image: media.EndImage = None,
    end_strength: media.EndStrength = None,
    keyframe: media.Keyframes = None,
    extend: media.Extend = None,
    extend_at: media.ExtendAt = None,
    extend_output: media.ExtendOutput = None,
    exporter: options.Exporter = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The video file; default: named after the image, here.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, max=256, help="Copies of the model; default: one per GPU or CPU core.")
    ] = None,
    lora: options.Loras = None,
    label: options.Labels = None,
    from_: options.From = None,
    set_: options.Fields = None,
) -> None:
    """Render a video on this machine. Writes OUT, and beside it OUT.contact.png and OUT.json (how it was made).

    Ctrl-C stops it; the same command goes on where it stopped.

    The finished video's length counts what is new; with --extend it is joined to the video that was given.

    Example: farm render dancer.png -p "The puppet dances" -s 10 --preset dance --order bisect -o dance.mp4
    """
    from farm.errors import FarmError
    from farm.intake.request import accept
    from farm.jobs.records import JobState
    from farm.service import embedded
    from farm.settings import Settings
    from model.footage.buckets import crop_for
    from model.plan.anchors import START_IMAGE
    from plugins.manager import get_manager

    settings = Settings.from_environment()
    files, found = media.read_media(image, end_image, keyframe, extend, extend_at)
    manager = get_manager(settings)
    accepted = accept(options.request_fields(context.params) | found, files, plugins=manager)
    request, plan = accepted.request, accepted.plan
    targets = output_files(
        out or Path(f"{(image or extend or Path('farm')).stem}.video"),
        manager.exporter(request.exporter).extension,
        bool(out),
    )
    facts = f"{plan.seconds:.2f} s at {request.output_fps or plan.fps} fps"
    if picture := accepted.facts.get(START_IMAGE):
        bucket = accepted.family.bucket(picture.height, picture.width, request.resolution)
        facts = f"{crop_for(picture.width, picture.height, bucket)}; {facts}"
    with _Display(len(plan.sections), request.steps) as display:
        display.say(facts)
        for note in accepted.notes:
            display.say(f"note: {note}")
        try:
            job = embedded.render(accepted, files, settings, display.update, replicas=replicas)
        except KeyboardInterrupt:
            display.say(f"stopped: {display.done} of {len(plan.sections)} sections are kept; the same command goes on")
            raise
    if job.state is not JobState.COMPLETED:
        raise FarmError(job.error or f"the render was {job.state}.")
    embedded.fetch(settings, job, targets)
    display.finish(targets["video"], plan.seconds)


def output_files(out: Path, extension: str, given: bool) -> dict[str, Path]:
    """Where video, contact sheet and manifest go; made sure to be writable before anything is rendered.

    Raises:
        InputError: the folder does not exist, ``out`` is one, can't be written, or has another format's extension.
    """
    import os
    import tempfile

    from farm.errors import InputError

    if out.is_dir():
        raise InputError(f"can't write {out}: it is a folder. Name a file with --out.")
    if given and out.suffix and out.suffix.lower() != extension:
        raise InputError(f"--out is {out}, but this exporter writes {extension} files; name it {out.stem}{extension}.")
    out = out.with_suffix(extension)
    targets = {"video": out, "contact_sheet": out.with_suffix(".contact.png"), "manifest": out.with_suffix(".json")}
    for path in targets.values():
        if path.is_dir():
            raise InputError(f"can't write {path}: it is a folder. Name a file with --out.")
        if path.exists() and not os.access(path, os.W_OK):
            raise InputError(f"can't replace {path}: it is write-protected. Name another file with --out.")
    if not out.parent.is_dir():
        raise InputError(f"can't write {out}: the folder {out.parent} does not exist. Make it first.")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise InputError(f"can't write into {out.parent}: {error.strerror}. Name another file with --out.") from None
    return targets


class _Display:
    """Live progress on stderr: a bar on a terminal, else a line per finished section."""

    def __init__(self, sections: int, steps: int) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._sections, self._total = sections, sections * steps
        self._progress: Progress | None = None
        self._advance: Callable[[str, int], None] = lambda text, steps_done: None
        self._text = ""
        self._started = False
        self.done = 0

    def __enter__(self) -> "_Display":
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        if self._console.is_terminal:
            left = TextColumn("left")
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            )
            self._progress = Progress(
                *columns, TextColumn("steps"), TimeElapsedColumn(), TimeRemainingColumn(), left, console=self._console
            )
            bar = self._progress.add_task("starting", total=self._total)
            progress = self._progress
            self._advance = lambda text, steps_done: progress.update(bar, description=text, completed=steps_done)
            self._progress.start()
        else:
            self.say(f"starting; {self._sections} sections")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, job: "Job", tasks: "list[Task]") -> None:
        """Show where the job is."""
        self.done = sum(task.kind == "section" and task.state == "done" for task in tasks)
        exporting = any(task.kind == "export" and task.state == "running" for task in tasks)
        started = any(task.state in ("running", "done") for task in tasks)
        text = f"{self.done}/{self._sections} sections" if started else "starting"
        text = "writing the video" if exporting else text
        self._advance(text, job.counts.get("steps_done", 0))
        if text != self._text and started and not self._progress:
            self.say(text)
        self._text = text

    def say(self, text: str) -> None:
        """One line, above the bar."""
        self._console.print(text, markup=False)

    def finish(self, video: Path, seconds: float) -> None:
        """Say what was written."""
        import sys

        self.say(f"{seconds:.1f} s of video, contact sheet and manifest written")
        sys.stdout.write(f"{video}\n")
