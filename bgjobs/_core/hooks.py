"""`on_failure` of a worker: a function that writes in the transaction that ends a job.

The end of a job is `Fail`, or `Cancel` if the function asks for it. A process that ends a job
without its worker leaves the end to one that has it: it marks the end, and `HOOK_OWNER` holds
the job meanwhile.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any, TypeAlias, TypeGuard, TypeVar, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import CancelledJob, FailedJob
from bgjobs._core.lazy import kind_if_not_plain
from bgjobs._core.settlements import Cancel, Fail, Settlement
from bgjobs.errors import WorkerDefinitionError

FailedFunction: TypeAlias = Callable[[Any, FailedJob], None]
"""A function of a connection of the database driver, hence Any, and of the failed job."""
EndedFunction: TypeAlias = Callable[[Any, FailedJob | CancelledJob], None]
"""A function of such a connection and of the failed or cancelled job."""
OnFailed = TypeVar("OnFailed", bound=FailedFunction)
OnEnded = TypeVar("OnEnded", bound=EndedFunction)

HOOK_OWNER = UUID(int=2**128 - 1)
"""The owner of jobs whose end is marked. Its lease never ends, so no monitor releases them.

It is the Max UUID of RFC 9562, which no lease has.
"""


@final
@frozen
class FailureHook:
    """A function that is called in the transaction that ends a job without success."""

    function: Callable[[Any, Any], object]
    """It returns None; but untyped callers register functions that return anything."""
    on_cancelled: bool
    """Whether it is also called for cancelled jobs."""

    def covers(self, settlement: Settlement) -> TypeGuard[Fail | Cancel]:
        """Whether it is called in the transaction that writes this."""
        return type(settlement) is Fail or (self.on_cancelled and type(settlement) is Cancel)


def check_hook(name: str, function: Any) -> None:
    """Raise `WorkerDefinitionError` unless it is a plain function of two arguments.

    Any: untyped callers pass anything.
    """
    found = kind_if_not_plain(function)
    if found is None:
        try:
            signature(function).bind(None, None)
        except TypeError:
            found = f"{getattr(function, '__qualname__', 'one')}{signature(function)}"
        except ValueError:
            return  # a builtin has no signature
    if found is not None:
        wanted = "a plain function of a connection and a job"
        raise WorkerDefinitionError(name, f"on_failure: expected {wanted}, found {found}")
