"""Errors that stand for what a handler, or its work in a transaction, has raised."""

from bgjobs._runtime.bus import CallbackFailedError
from bgjobs.errors import BgJobsError, StoreUnavailableError


class HandlerCrashedError(BgJobsError):
    """A handler raised neither an `Exception` nor `SystemExit`; this ends its queue."""

    def __init__(self, worker: str, error: BaseException) -> None:
        self.worker = worker
        super().__init__(f"handler of worker {worker!r} raised {type(error).__name__}")


class WorkUnavailableError(BgJobsError):
    """A function given to `complete_with` raised `StoreUnavailableError`.

    It may be about another store, and says nothing about the one that completes the job.
    """

    def __init__(self, error: StoreUnavailableError) -> None:
        self.error = error
        super().__init__(str(error))


def raised_by_work(error: Exception) -> BaseException:
    """Return the error that a function given to `complete_with` has raised."""
    if isinstance(error, CallbackFailedError | WorkUnavailableError):
        return error.error
    return error
