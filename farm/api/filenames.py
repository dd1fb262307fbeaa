"""What a job's files are called when they are fetched."""

from pathlib import PurePosixPath

from farm.errors import UnreadableJobError
from farm.jobs.filenames import file_name, values_of
from farm.jobs.names import VIDEO, export_index, is_export, maker_of
from farm.jobs.records import Artifact, Job


def filename_of(job: Job, artifact: Artifact) -> str:
    """Such as ``the-puppet-dances-3f2a9c41.mp4``."""
    return name_of(job, artifact.name, PurePosixPath(artifact.key).suffix)


def name_of(job: Job, artifact: str, extension: str) -> str:
    """The same for an artifact's name; of a job that can't be read, as far as that is known."""
    fields = {**job.stored.fields, **({"total_second_length": job.plan["seconds"]} if job.shots else {})}
    values = values_of(job.id, job.created_at.astimezone(), job.name, job.prompt, job.owner, job.preset, fields)
    return file_name(_template(job, artifact), values, artifact, extension)


def _template(job: Job, artifact: str) -> str:
    """That of the export which the file belongs to, else of the first; empty for the default."""
    maker = maker_of(artifact) or maker_of(VIDEO)
    number = export_index(maker) if maker and is_export(maker) else 0
    try:
        return job.job_order.exports[number].file_name
    except (UnreadableJobError, IndexError):
        return ""
