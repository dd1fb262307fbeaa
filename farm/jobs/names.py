"""What tasks and files of a job are called, and where files lie while nobody has committed them yet."""

ENCODE, EXPORT = "encode", "export"
CONDITIONING = "conditioning"
VIDEO, CONTACT_SHEET, MANIFEST = "video", "contact_sheet", "manifest"
EXPORTS = (VIDEO, CONTACT_SHEET, MANIFEST)
_SECTION, _DECODE, _LATENTS, _FRAMES, _PREVIEW = "section-", "decode-", "latents-", "frames-", "preview-"
_MADE_BY = {_LATENTS: _SECTION, _PREVIEW: _SECTION, _FRAMES: _DECODE}


def section_name(index: int) -> str:
    """Task that renders a section: ``section-007``."""
    return f"{_SECTION}{index:03d}"


def decode_name(index: int) -> str:
    """Task that decodes a chunk: ``decode-007``."""
    return f"{_DECODE}{index:03d}"


def latents_name(index: int) -> str:
    """Artifact with a section's latents: ``latents-007``."""
    return f"{_LATENTS}{index:03d}"


def frames_name(index: int) -> str:
    """Artifact with a decoded chunk: ``frames-007``."""
    return f"{_FRAMES}{index:03d}"


def preview_name(index: int) -> str:
    """Artifact that shows a section as it left denoising."""
    return f"{_PREVIEW}{index:03d}"


def output_of(task: str) -> str:
    """The artifact of a task that its dependants read: ``section-003`` -> ``latents-003``."""
    if task == ENCODE:
        return CONDITIONING
    kind, made = next((kind, made) for made, kind in _MADE_BY.items() if task.startswith(kind))
    return made + task.removeprefix(kind)


def maker_of(artifact: str) -> str | None:
    """The task that made an artifact; None when nobody did, as the pictures that a job came with."""
    if artifact == CONDITIONING:
        return ENCODE
    if artifact in EXPORTS:
        return EXPORT
    made = next((made for made in _MADE_BY if artifact.startswith(made)), None)
    return None if made is None else _MADE_BY[made] + artifact.removeprefix(made)


def latents_index(artifact: str) -> int | None:
    """The section whose latents an artifact holds; None for any other artifact."""
    return int(artifact.removeprefix(_LATENTS)) if artifact.startswith(_LATENTS) else None


def use_of(artifact: str) -> str:
    """What a file of a job is for: ``video``, ``given``, ``latents``, ``previews``, or ``work``, soon made again."""
    if artifact in EXPORTS:
        return "video"
    if artifact == CONDITIONING or artifact.startswith(_FRAMES):
        return "work"
    if artifact.startswith(_LATENTS):
        return "latents"
    return "previews" if artifact.startswith(_PREVIEW) else "given"


def is_internal(artifact: str) -> bool:
    """Whether an artifact only serves to make others."""
    return artifact == CONDITIONING or artifact.startswith(tuple(_MADE_BY))


def attempt_folder(job_id: str, attempt_id: str) -> str:
    """The private folder of an attempt."""
    return f"jobs/{job_id}/attempts/{attempt_id}"


def preview_key(folder: str, section: int) -> str:
    """The newest preview of a section, inside the folder of the attempt that denoises it."""
    return f"{folder}/{preview_name(section)}.jpg"
