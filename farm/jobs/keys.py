"""Where a job's files lie in the artifact store while nobody has committed them yet."""


def attempt_folder(job_id: str, attempt_id: str) -> str:
    """The private folder of an attempt."""
    return f"jobs/{job_id}/attempts/{attempt_id}"


def preview_name(section: int) -> str:
    """Name of the artifact that shows a section as it left denoising."""
    return f"preview-{section:03d}"


def preview_key(folder: str, section: int) -> str:
    """The newest preview of a section, inside the folder of the attempt that denoises it."""
    return f"{folder}/{preview_name(section)}.jpg"
