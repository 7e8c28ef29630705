"""The one exception tree: what can go wrong, in words a person can act on, with the HTTP face of each.

A class's docstring is its default message. What the program of a cell does wrong is not in here: a traceback
is an output, and goes back to the model.
"""

from __future__ import annotations

import errno
import sqlite3

_FULL = {errno.ENOSPC, errno.EDQUOT}


class KernelciError(Exception):
    """The server had an error while processing your request. Sorry about that!"""

    status = 500
    type = "server_error"
    code: str | None = None
    param: str | None = None

    def __init__(self, message: str | None = None, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        if param is not None:
            self.param = param
        if code is not None:
            self.code = code

    @property
    def message(self) -> str:
        """The sentence a client shows."""
        return str(self)


# What a request can have wrong (protocol.md 1.3).


class InvalidRequest(KernelciError):
    """The request is not one this server understands."""

    status = 400
    type = "invalid_request_error"


class NotFound(InvalidRequest):
    """No such object."""

    status = 404


class TooLarge(InvalidRequest):
    """The file is larger than this server accepts."""

    status = 413


class ThreadBusy(InvalidRequest):
    """The thread has an active run."""


class IllegalMove(InvalidRequest):
    """The object's status does not allow that."""


class DiskFull(KernelciError):
    """The server's disk is full. Deleting threads and files makes room, or whoever runs it can."""

    status = 507


def alone(error: Exception) -> Exception:
    """The one error of a group, which is what a task group makes of it; any other as it is."""
    within = error.exceptions if type(error) is ExceptionGroup else ()
    return alone(within[0]) if len(within) == 1 else error


def in_words(error: Exception) -> KernelciError:
    """What a client is told of an error: ours as it is, a full disk as that, a bug without any of its innards."""
    if isinstance(error, KernelciError):
        return error
    cause: BaseException | None = error
    while cause is not None:
        if _is_of_a_full_disk(cause):
            return DiskFull()
        cause = cause.__cause__
    return KernelciError()


def _is_of_a_full_disk(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


# What can fail behind a run. `code` is the run's `last_error.code`.


class RunFailure(KernelciError):
    """The run could not go on."""

    code = "server_error"


class ModelUnavailable(RunFailure):
    """The model's endpoint cannot be reached or gave no usable answer."""


class ModelBusy(RunFailure):
    """The model's endpoint refuses more requests for now."""

    code = "rate_limit_exceeded"


class ModelRefused(RunFailure):
    """The model's endpoint refused the request."""

    code = "invalid_prompt"


class PromptTooLong(ModelRefused):
    """The conversation is longer than the model can read."""


class KernelUnavailable(RunFailure):
    """No kernel could be started for this thread."""


# What stops the program before it serves.


class StartupError(KernelciError):
    """kernelci cannot start."""

    exit_code = 2


class DataFolderInUse(StartupError):
    """Another kernelci server is using this data folder."""


class DataFolderTooNew(StartupError):
    """The data folder was written by a newer kernelci. Upgrade kernelci, or choose another --data-dir."""


class EnvironmentUnavailable(StartupError):
    """The environment of the model's code could not be built."""

    exit_code = 3


class SandboxUnavailable(StartupError):
    """The model's code cannot be confined on this machine, so it will not be run."""

    exit_code = 3
