"""What a callback of the user's raises is its own failure, whatever class the error has.

A task that serves others calls it, and must not end with it. Only a Ctrl-C goes on: Python
raises it wherever the program happens to be.
"""

from typing import final

from bgjobs._core.text import error_text
from bgjobs.errors import BgJobsError, leaves


@final
class CallbackFailedError(BgJobsError):
    """A function of the user's raised something where only an `Exception` may come out."""

    def __init__(self, what: str, error: BaseException) -> None:
        self.error: BaseException = error
        super().__init__(f"{what} raised {error_text(error).splitlines()[0]}")


def failure_of(what: str, error: BaseException) -> Exception:
    """Return the failure of the callback called `what` that raised `error`.

    Raise `error` again if it is a Ctrl-C, or holds one.
    """
    if isinstance(error, Exception):
        return error
    if holds(error, KeyboardInterrupt):
        raise error
    failure = CallbackFailedError(what, error)
    failure.__cause__ = error
    return failure


def holds(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether `error` is one of `kind`, or a group with one in it."""
    return any(isinstance(one, kind) for one in leaves(error))
