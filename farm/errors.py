"""Every error that the farm raises on purpose; the lowest module, importable by all layers."""

import errno

SCARCE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENOMEM, errno.EIO, errno.ESTALE})
"""Numbers of errors of a machine that is short of something, or broken."""


class FarmError(Exception):
    """An error with a message for the user: what was wrong, what was expected, what to do.

    ``exit_code`` is what the command line exits with, ``status`` what the HTTP API answers.
    """

    exit_code = 1
    status = 500


class InputError(FarmError):
    """The user's input can't be used: a bad image, prompt, length, preset, order, file or option."""

    exit_code = 2
    status = 422


class DeviceError(InputError):
    """The device that was named is not there, or broken. Of a replica's device it is no fault of the job's."""


class NotFoundError(FarmError):
    """A job, section, preset, plug-in or artifact of that name does not exist."""

    status = 404


class AuthError(FarmError):
    """The token is missing or wrong."""

    status = 401


class ForbiddenError(FarmError):
    """The caller is known, and may not do this."""

    status = 403


class ConflictError(FarmError):
    """The thing is in a state in which this can't be done, such as cancelling a completed job."""

    status = 409


class ShelvedJobError(ConflictError):
    """A job can't go on as things are, and no other job is concerned: it waits for a person."""


class UnreadableJobError(ShelvedJobError):
    """A job's row was written by another version of the farm, and this one does not understand it."""


class StaleAttemptError(ConflictError):
    """An attempt that is no longer the current one of its task tried to write; it must abort."""


class CheckpointError(FarmError):
    """A model checkpoint is missing, incomplete or corrupt."""


class ResultError(FarmError):
    """A model gave what can't be right, such as values that are no numbers: by a broken device, or weights that
    overflow."""


class PluginError(FarmError):
    """A plug-in or preset file is broken; it is disabled and the farm goes on.

    ``where``: file and line that it is about, such as ``farm_mine.py:12``, as far as that is known.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class PluginFault(PluginError):
    """A plug-in's own code failed at its work, and would again, wherever that is tried."""


class UndeliveredError(FarmError):
    """Somebody who wanted to be told of something could not be."""


class StorageError(FarmError):
    """The artifact store or the database can't be read or written (full, read-only, gone)."""

    status = 507


class DatabaseError(StorageError):
    """The database can't be reached, or is too busy, for now; the same call may well work later."""

    status = 503


class DamagedArtifactError(StorageError):
    """A file in the artifact store is not what was committed: changed, cut short, or gone.

    ``artifact`` names it within its job, so that what made it can be run again.
    """

    status = 503

    def __init__(self, message: str, artifact: str = "") -> None:
        super().__init__(message)
        self.artifact = artifact


class BusyError(FarmError):
    """Too much is asked for at the same time; the same call works a little later."""

    status = 503


class ClusterError(FarmError):
    """Ray, a node or a replica can't be reached or started."""

    status = 503


class ProcessLostError(FarmError):
    """A helper process was killed from outside; what it did can be done again."""

    status = 503


class CancelledError(FarmError):
    """The work was asked to stop between two steps."""


LISTED_NAMES = 16


def unknown_name(kind: str, name: str, known: list[str]) -> InputError:
    """Build the error for an unknown name: suggests the nearest and lists what exists, of many the likeliest."""
    import difflib

    near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    hint = next((f" Did you mean {k!r}?" for k in known if near and k.lower() == near[0]), "")
    likeliest = difflib.get_close_matches(name, known, n=LISTED_NAMES, cutoff=0.0)
    more = f" and {len(known) - LISTED_NAMES} more" if len(known) > LISTED_NAMES else ""
    return InputError(f"unknown {kind} {name!r}.{hint} Available: {', '.join(sorted(likeliest)) or 'none'}{more}.")
