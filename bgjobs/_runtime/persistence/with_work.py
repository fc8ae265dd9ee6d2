"""Ends of jobs that are written together with what a function of the application writes.

Each runs in a transaction of its own, so that slow user code cannot delay other writes. While
the store is unavailable these functions wait and try again; the caller limits the wait.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from bgjobs._core.config import AnyWorker
from bgjobs._core.hooks import FailureHook
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import refuse_unfinished
from bgjobs._core.settlements import Cancel, Fail, Succeed
from bgjobs._runtime.bus import Bus, CallbackFailedError
from bgjobs._runtime.persistence.lost_answers import was_settled
from bgjobs._runtime.persistence.ticket import ReportSource
from bgjobs._runtime.persistence.work_errors import WorkUnavailableError
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import FailureHookFailed
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.types import HookedEnd, NewJob

T = TypeVar("T")


async def complete(
    services: WorkerServices,
    success: Succeed,
    work: Callable[[Any], object],
    followers: Sequence[NewJob] = (),
) -> bool:
    """Settle a job as succeeded, together with what `work` writes; False if it was lost."""

    async def write(repeated: bool) -> bool:  # noqa: FBT001 - as in `mark_end`
        done = await services.dispatch.once(
            services.store.complete,
            success.reservation,
            work,
            followers,
            result=success.result,
            now=services.clock.store_now(),
        )
        return done or (repeated and await was_settled(services.dispatch, success))

    return await _until_available(services, write)


async def end_with_hook(
    services: WorkerServices,
    end: Fail | Cancel,
    hook: FailureHook | None,
    followers: Sequence[NewJob] = (),
    progress: ReportSource | None = None,
) -> HookedEnd:
    """End a job together with what `hook` writes; without it, as the store ends marked ones."""
    work = partial(_call, hook)

    async def write(repeated: bool) -> HookedEnd:  # noqa: FBT001 - as in `mark_end`
        done = await services.dispatch.once(
            services.store.end_with,
            end,
            work,
            followers,
            progress=None if progress is None else progress.newest(),
            now=services.clock.store_now(),
        )
        if done.kept or not repeated:
            return done
        return HookedEnd(await was_settled(services.dispatch, end))

    return await _until_available(services, write)


async def register_hooks(services: WorkerServices, workers: Iterable[AnyWorker]) -> None:
    """Record which of these workers have an `on_failure` function, before they run here."""
    operations = operations_of(services.store)
    hooks = {
        worker.name: worker.failure_hook.on_cancelled
        for worker in workers
        if worker.failure_hook is not None
    }
    if hooks and operations is not None:
        now = services.clock.store_now()
        await services.dispatch.call(operations.register_hooks, hooks, now=now)


async def mark_end(
    services: WorkerServices, operations: Operations, end: Fail | Cancel
) -> bool:
    """Leave the end of a job to a process with its worker; False if that has no hook for it."""

    async def write(_: bool) -> bool:  # noqa: FBT001 - the caller passes it by position
        now = services.clock.store_now()
        return await services.dispatch.once(operations.mark_end, end, now=now)

    return await _until_available(services, write)


def report_hook(
    services: WorkerServices, bus: Bus, queue: str, job: Job, done: HookedEnd
) -> None:
    """Emit what went wrong with the function of `on_failure`, if anything did."""
    error = done.error
    if isinstance(error, WorkUnavailableError):
        error = error.error
    if error is not None:
        own = services.planner.bus_for(job, bus)
        own.emit_failure(FailureHookFailed, queue, job, error)


async def _until_available(
    services: WorkerServices, write: Callable[[bool], Awaitable[T]]
) -> T:
    """Call `write`, again while the store is unavailable; it gets whether that is so."""
    tries = 0
    while True:
        try:
            return await write(tries > 0)
        except StoreUnavailableError:
            await services.dispatch.pause(tries)
            tries += 1


def _call(hook: FailureHook | None, connection: Any, job: Any) -> None:
    """Call the function of a hook, in a thread of the store."""
    if hook is None:
        return
    what = f"worker {job.name!r}: on_failure"
    try:
        if (answer := hook.function(connection, job)) is not None:
            refuse_unfinished(what, answer)
    except StoreUnavailableError as error:
        raise WorkUnavailableError(error) from error  # so that the store does not retry
    except Exception:  # the caller reports it
        raise
    except BaseException as error:  # stores expect an `Exception`
        raise CallbackFailedError(what, error) from error
