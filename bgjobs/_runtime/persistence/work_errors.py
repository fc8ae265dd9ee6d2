"""Errors that stand for what a function of the application raised in a transaction."""

from bgjobs._runtime.bus import CallbackFailedError
from bgjobs.errors import BgJobsError, StoreUnavailableError


class WorkUnavailableError(BgJobsError):
    """A function given to `complete_with` or `on_failure` raised `StoreUnavailableError`.

    It may be about another store, and says nothing about the one that ends the job.
    """

    def __init__(self, error: StoreUnavailableError) -> None:
        self.error = error
        super().__init__(str(error))


def raised_by_work(error: Exception) -> BaseException:
    """Return the error that a function given to `complete_with` has raised."""
    if isinstance(error, CallbackFailedError | WorkUnavailableError):
        return error.error
    return error
