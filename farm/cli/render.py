"""`farm render`: one video on this machine, without a service."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import options
from farm.cli.groups import takes
from farm.units import counted

if TYPE_CHECKING:
    from rich.progress import Progress

    from farm.intake.films import AcceptedFilm
    from farm.intake.request import Accepted
    from farm.jobs.records import Job, Task
    from farm.settings import Settings
    from model.footage.media import Media


@takes(options.Video)
def render(
    given: Mapping[str, Any],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The video file; default: named after the image, here.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, max=256, help="Copies of the model; default: one per GPU or CPU core.")
    ] = None,
) -> None:
    """Render a video on this machine. Writes OUT, and beside it OUT.contact.png and OUT.json (how it was made).

    With several --export each further file gets OUT's name with its own extension, and its own .json.

    Ctrl-C stops it; the same command goes on where it stopped. Therefore a seed that is named nowhere is 31337 here,
    while `farm submit` draws one; with --seed -1 one is drawn each time, and nothing of another try is found again.

    The finished video's length counts what is new; with --extend it is joined to the video that was given.

    Example: farm render dancer.png -p "The puppet dances" -s 10 --preset dance --order bisect -o dance.mp4
    """
    from farm.intake.orders import this_machine
    from farm.intake.request import accept
    from farm.intake.settings_files import only
    from farm.jobs.request import RenderRequest
    from farm.settings import Settings
    from model.footage.buckets import crop_for
    from model.plan.anchors import START_IMAGE
    from plugins.manager import get_manager

    settings = Settings.from_environment()
    start = only(given["from_"], options.brought(given))
    named, seconds = options.read_media(given)
    files = options.over(named, start.media)
    manager = get_manager(settings)
    fields = options.request_fields(given, start=start.fields) | seconds
    same = RenderRequest.model_fields["seed"].default  # each time, so that what was begun is found again
    accepted = accept(
        fields, files, plugins=manager, look=lambda family: this_machine(replicas), seed=same, settings=settings
    )
    request, plan = accepted.request, accepted.plan
    targets = output_files(
        out or Path(f"{(given['image'] or given['extend'] or Path('farm')).stem}.video"),
        [exporter.extension for exporter in accepted.exporters],
        bool(out),
    )
    facts = f"{plan.seconds:.2f} s at {accepted.job_order.export.output_fps or plan.fps} fps"
    if picture := accepted.facts.get(START_IMAGE):
        bucket = accepted.family.bucket(picture.height, picture.width, request.resolution)
        facts = f"{crop_for(picture.width, picture.height, bucket, request.fit)}; {facts}"
    size = (len(plan.sections), len(plan.sections) * request.steps, plan.seconds)
    render_here(settings, accepted, files, targets, size, facts, replicas)


def render_here(
    settings: "Settings",
    accepted: "Accepted | AcceptedFilm",
    files: "Media",
    targets: Mapping[str, Path],
    size: tuple[int, int, float],
    facts: str,
    replicas: int | None,
) -> None:
    """Render on this machine, with progress on stderr, and write the files to their ``targets``.

    ``size``: sections, steps of all of them, and seconds; ``facts``: said of it before.
    """
    from farm.errors import FarmError
    from farm.jobs.records import JobState
    from farm.service import embedded

    sections, steps, seconds = size
    with _Display(sections, steps) as display:
        display.say(facts)
        for note in accepted.notes:
            display.say(f"note: {note}")
        try:
            job = embedded.render(accepted, files, settings, display.update, on_phase=display.phase, replicas=replicas)
        except KeyboardInterrupt:
            kept = f"{display.done} of {counted(sections, 'section')}"
            display.say(f"stopped: {kept} are kept; the same command goes on")
            raise
    if job.state is not JobState.COMPLETED:
        raise FarmError(job.error or f"the render was {job.state}.")
    embedded.fetch(settings, job, targets)
    display.finish([path for name, path in targets.items() if name.startswith("video")], seconds)


def output_files(out: Path, extensions: Sequence[str], given: bool) -> dict[str, Path]:
    """Where the files of each export, the contact sheet and the manifests go; made sure to be writable before anything
    is rendered. ``extensions``: of the exports, in their order.

    Raises:
        InputError: the folder does not exist, ``out`` is one, can't be written, or has another format's extension.
    """
    import os
    import tempfile

    from farm.errors import InputError
    from farm.jobs.names import numbered

    extension = extensions[0]
    if out.is_dir():
        raise InputError(f"can't write {out}: it is a folder. Name a file with --out.")
    if given and out.suffix and out.suffix.lower() != extension:
        raise InputError(f"--out is {out}, but this exporter writes {extension} files; name it {out.stem}{extension}.")
    out = out.with_suffix(extension)
    targets = {"video": out, "contact_sheet": out.with_suffix(".contact.png"), "manifest": out.with_suffix(".json")}
    for number, other in enumerate(extensions[1:], start=1):
        path = out.with_suffix(other)
        path = path.with_stem(f"{out.stem}-{number}") if path in targets.values() else path
        targets |= {numbered("video", number): path, numbered("manifest", number): path.with_name(f"{path.name}.json")}
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
        self._of, self._total = counted(sections, "section"), steps
        self._progress: Progress | None = None
        self._advance: Callable[[str, int | None], None] = lambda text, steps_done: None
        self._text = "starting"
        self._phase = "starting"
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
            self.say(f"starting; {self._of}")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, job: "Job", tasks: "list[Task]") -> None:
        """Show where the job is."""
        from farm.jobs.names import take_of

        rendered = [task for task in tasks if task.kind == "section"]
        self.done = sum(task.state == "done" for task in rendered if not take_of(task.name))
        takes = sum(task.state != "done" for task in rendered if take_of(task.name))
        exporting = any(task.kind == "export" and task.state == "running" for task in tasks)
        text = "writing the video" if exporting else f"{self.done}/{self._of}"
        text += f", {takes} other takes to go" if takes else ""
        self._show(text, job.counts.get("steps_done", 0))

    def phase(self, phase: str) -> None:
        """What it is at before anything is rendered; empty from then on."""
        if phase == self._phase:
            return
        self._phase = phase
        if phase:
            self._show("")

    def _show(self, text: str, steps_done: int | None = None) -> None:
        """How far it is, or what it waits for, after what is kept of an earlier try."""
        if self._phase:
            text = f"{self.done}/{self._of}; {self._phase}" if self.done else self._phase
        self._advance(text, steps_done)
        if text != self._text and not self._progress:
            self.say(text)
        self._text = text

    def say(self, text: str) -> None:
        """One line, above the bar."""
        self._console.print(text, markup=False)

    def finish(self, videos: Sequence[Path], seconds: float) -> None:
        """Say what was written."""
        import sys

        self.say(f"{seconds:.1f} s of video, contact sheet and manifest written")
        sys.stdout.write("".join(f"{video}\n" for video in videos))
