"""The work that a handler gave to `complete_with`, done in the transaction of its end."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from anyio import get_cancelled_exc_class

from bgjobs._core.exceptions import is_failure
from bgjobs._core.lazy import refuse_unfinished
from bgjobs._runtime.bus import CallbackFailedError
from bgjobs._runtime.persistence.work_errors import WorkUnavailableError
from bgjobs._runtime.queues.handler_errors import HandlerCrashedError
from bgjobs.errors import StoreUnavailableError


def completing(
    worker: str, completions: Sequence[Callable[[Any], object]]
) -> Callable[[Any], None]:
    """Return a function that does this work of a job of the worker.

    Call this on the event loop. The store calls the function in a thread, where the class of
    the loop's cancellations is unknown.
    """
    return partial(_complete, worker, completions, get_cancelled_exc_class())


def _complete(
    worker: str,
    completions: Sequence[Callable[[Any], object]],
    cancelled: type[BaseException],
    connection: Any,
) -> None:
    """Do that work. Any: the connection is the driver's."""
    try:
        for work in completions:
            if (answer := work(connection)) is not None:
                refuse_unfinished(f"worker {worker!r}: complete_with", answer)
    except StoreUnavailableError as error:
        raise WorkUnavailableError(error) from error  # so that the store does not retry
    except Exception:  # an error of the handler, like any other
        raise
    except BaseException as error:
        if is_failure(error, cancelled):  # stores expect an `Exception`
            what = "the function given to complete_with"
            raise CallbackFailedError(what, error) from error
        raise HandlerCrashedError(worker, error) from error
