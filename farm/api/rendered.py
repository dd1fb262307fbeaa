"""What is known of sections besides their rows: how finished ones were made, and what they look like."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from farm.errors import FarmError, NotFoundError
from farm.jobs.facts import typed_facts
from farm.jobs.gate import GATE, Judged
from farm.jobs.names import attempt_folder, latents_index, preview_key, preview_name, section_name
from farm.jobs.records import Artifact, Attempt, AttemptState
from farm.jobs.shots import shot_of
from farm.store.artifacts import ArtifactStore

from .context import FarmContext
from .detail_views import RenderedSection

COMMITTED = AttemptState.COMMITTED


def rendered_sections(
    farm: FarmContext, attempts: Sequence[Attempt], artifacts: Mapping[str, Artifact]
) -> list[RenderedSection]:
    """The finished sections of a job, in viewer order.

    Those of jobs that an early version rendered have no facts in their rows; their files are asked, and one whose file
    is gone or damaged is left out.
    """
    made = {attempt.task_id.rpartition(".")[2]: attempt for attempt in attempts if attempt.state is COMMITTED}
    found = []
    indexed = {latents_index(name): artifact for name, artifact in artifacts.items()}
    for index in sorted(index for index in indexed if index is not None):
        attempt = made.get(section_name(index))
        try:
            facts = attempt.facts if attempt and attempt.facts else _of_file(farm.artifacts, indexed[index].key)
            found.append(_section(index, facts))
        except (FarmError, KeyError, ValueError):
            continue
    return found


def newest_preview(farm: FarmContext, job_id: str, section: int) -> bytes:
    """The JPEG of a finished section, or of the running attempt at one.

    Raises:
        NotFoundError: there is no such job, or no preview, since the section has not begun or it could not be written.
    """
    parts = farm.store.get_job(job_id).parts
    own = section - parts[shot_of(parts, section)].first  # what the shot by itself calls it
    keys = [
        preview_key(attempt_folder(job_id, attempt.id), own)
        for attempt in farm.store.attempts(job_id)
        if attempt.state is AttemptState.RUNNING and attempt.task_id == f"{job_id}.{section_name(section)}"
    ]
    finished = farm.store.artifacts(job_id).get(preview_name(section))
    for key in [*keys, *([finished.key] if finished else [])]:
        try:
            return farm.artifacts.read(key)
        except NotFoundError:
            continue
    raise NotFoundError(f"section {section} of job {job_id} can't be seen yet.")


@lru_cache(maxsize=8192)
def _of_file(artifacts: ArtifactStore, key: str) -> dict[str, Any]:
    """Of a committed file, which never changes under its key."""
    return typed_facts(artifacts.tensor_metadata(key))


def _section(index: int, facts: Mapping[str, Any]) -> RenderedSection:
    return RenderedSection(
        index=index,
        seconds=facts["seconds"],
        replica=facts["replica"],
        device_class=facts["device_class"],
        cache=facts["cache"],
        steps=facts["steps"],
        steps_computed=facts["computed"],
        **_verdict(facts),
    )


def _verdict(facts: Mapping[str, Any]) -> dict[str, Any]:
    if GATE not in facts:
        return {}
    judged = Judged.of_json(facts[GATE])
    return {"take": judged.take, "score": judged.score, "outside": list(judged.wrong)}
