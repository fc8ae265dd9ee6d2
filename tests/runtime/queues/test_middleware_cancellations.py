"""Cancellations inside middleware: they go on, also where a middleware swallows them."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio import from_thread

import bgjobs
from bgjobs.events import ChildCrashed, JobReleased, JobStarted, JobSucceeded, QueueStarted
from tests.runtime.cancellations import wait_for_a_cancelled_task
from tests.runtime.conftest import Harness, virtual_time_on_both
from tests.runtime.queues.layers import Notes, end_inside, failure_inside, noting, swallowing
from tests.runtime.queues.one_slot import on_asyncio

pytestmark = pytest.mark.anyio

Context = bgjobs.JobContext
TIMED_OUT = "TimeoutError: timed out after 30 seconds"
INSIDE = [noting([], "a"), swallowing]
"""A middleware that passes a cancellation on, and one that swallows it."""


@asynccontextmanager
async def slow_to_enter(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    if job.name != "healthy":
        await anyio.sleep_forever()
    yield


@asynccontextmanager
async def swallowing_on_entering(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    if job.name != "healthy":
        with suppress(BaseException):
            await anyio.sleep_forever()
    yield


@asynccontextmanager
async def slow_to_leave(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    yield
    if job.name != "healthy":
        await anyio.sleep_forever()


@asynccontextmanager
async def swallowing_on_leaving(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    yield
    if job.name != "healthy":
        with suppress(BaseException):
            await anyio.sleep_forever()


@asynccontextmanager
async def shielded_on_leaving(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    yield
    if job.name != "healthy":
        with anyio.CancelScope(shield=True):
            await anyio.sleep(100)


@bgjobs.worker(timeout=30)
async def endless() -> None:
    await anyio.sleep_forever()


@bgjobs.worker(timeout=30)
async def quick() -> None: ...


@virtual_time_on_both
@pytest.mark.parametrize("middleware", INSIDE)
async def test_a_timeout_of_the_handler_stays_one(
    virtual_app: Harness, middleware: Any
) -> None:
    notes: Notes = []
    entered = [noting(notes, "a"), middleware]
    failed = await failure_inside(virtual_app, entered, endless)
    assert failed.error == TIMED_OUT
    assert notes[1].startswith("a sees Cancelled")


@virtual_time_on_both
@pytest.mark.parametrize("middleware", [slow_to_enter, swallowing_on_entering])
async def test_the_timeout_covers_entering_and_then_the_handler_is_not_called(
    virtual_app: Harness, middleware: Any
) -> None:
    notes: Notes = []
    worker: Any = bgjobs.worker(name="x", timeout=30)(lambda: notes.append("called"))
    entered = [middleware, noting(notes, "b")]
    assert (await failure_inside(virtual_app, entered, worker)).error == TIMED_OUT
    assert notes == ["b enters", "b leaves"]  # of the healthy job


@virtual_time_on_both
@pytest.mark.parametrize(
    "middleware", [slow_to_leave, swallowing_on_leaving, shielded_on_leaving]
)
async def test_the_timeout_covers_leaving(virtual_app: Harness, middleware: Any) -> None:
    notes: Notes = []
    entered = [noting(notes, "a"), middleware]
    assert (await failure_inside(virtual_app, entered, quick)).error == TIMED_OUT
    assert notes[1].startswith("a sees Cancelled")


@pytest.mark.parametrize("middleware", INSIDE)
async def test_a_plain_handler_is_cancelled_where_it_checks(
    sqlite_app: Harness, middleware: Any
) -> None:
    @bgjobs.worker(timeout=0.05)
    def checking() -> None:
        while True:
            time.sleep(0.001)
            from_thread.check_cancelled()

    failed = await failure_inside(sqlite_app, [middleware], checking)
    assert failed.error == "TimeoutError: timed out after 0.05 seconds"


async def test_middleware_that_does_not_wait_changes_no_end_of_a_late_handler(
    sqlite_app: Harness,
) -> None:
    """A handler that returns has succeeded, although it was cancelled before."""
    notes: Notes = []

    @bgjobs.worker(timeout=0.01)
    def late() -> None:
        time.sleep(0.1)

    ended = await end_inside(sqlite_app, [noting(notes, "a")], late)
    assert isinstance(ended, bgjobs.SucceededJob)
    assert notes[:2] == ["a enters", "a leaves"]


async def test_middleware_that_waits_on_leaving_a_late_handler_is_cancelled(
    sqlite_app: Harness,
) -> None:
    """What it would have committed is not, so the attempt has not succeeded."""

    @bgjobs.worker(timeout=0.01)
    def late() -> None:
        time.sleep(0.1)

    failed = await failure_inside(sqlite_app, [slow_to_leave], late)
    assert failed.error == "TimeoutError: timed out after 0.01 seconds"


async def interrupt(app: Harness, middleware: Any, worker: Any) -> bgjobs.Job:
    """Stop an application without grace while a job runs; return the job afterwards."""
    async with bgjobs.run(app.config(worker, middleware=[middleware], grace=0)) as bg:
        job = await bg.enqueue(worker.request())
        await app.recorder.wait_for(JobStarted)
    return app.stored(job)


CUT = [
    *((middleware, endless) for middleware in INSIDE),
    (swallowing_on_entering, quick),
    (slow_to_leave, quick),
    (swallowing_on_leaving, quick),
]


@pytest.mark.parametrize(("middleware", "worker"), CUT)
async def test_a_stop_interrupts_and_spends_no_attempt(
    app: Harness, middleware: Any, worker: Any
) -> None:
    found = await interrupt(app, middleware, worker)
    assert found.reserved_by is None
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)
    assert len(app.recorder.of(JobReleased)) == 1


@pytest.mark.parametrize(("middleware", "worker"), CUT)
async def test_an_operator_s_cancellation_ends_the_job_as_cancelled(
    app: Harness, middleware: Any, worker: Any
) -> None:
    async with bgjobs.run(app.config(worker, middleware=[middleware])) as bg:
        job = await bg.enqueue(worker.request())
        await app.recorder.wait_for(JobStarted)
        await bg.admin.cancel(job.id, reason="by hand", by="ann")
        ended = await bg.wait_for(job)
    assert isinstance(ended, bgjobs.CancelledJob)
    assert (ended.reason, ended.cancelled_by) == ("by hand", "ann")
    assert app.recorder.of(JobSucceeded) == []


@pytest.mark.parametrize("middleware", INSIDE)
async def test_a_cancellation_from_outside_releases_the_job(
    app: Harness, middleware: Any
) -> None:
    async with anyio.create_task_group() as group:
        bg = await group.start(bgjobs.serve, app.config(endless, middleware=[middleware]))
        job = await bg.enqueue(endless.request())
        await app.recorder.wait_for(JobStarted)
        group.cancel_scope.cancel()
    found = app.stored(job)
    assert found.reserved_by is None
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)


@asynccontextmanager
async def replacing(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    try:
        yield
    except BaseException as error:
        raise LookupError("rollback failed") from error


async def test_an_error_instead_of_an_interruption_spends_no_attempt(app: Harness) -> None:
    found = await interrupt(app, replacing, endless)
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)


@virtual_time_on_both
async def test_an_error_instead_of_a_timeout_is_the_failure(virtual_app: Harness) -> None:
    """As it is for a handler that raises it while it is cancelled."""
    failed = await failure_inside(virtual_app, [replacing], endless)
    assert failed.error.startswith("LookupError: rollback failed\n")


@asynccontextmanager
async def failing_after(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    with anyio.fail_after(5):
        yield


@asynccontextmanager
async def moving_on_after(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    with anyio.move_on_after(5):
        yield


@virtual_time_on_both
async def test_a_middleware_may_have_a_time_limit_of_its_own(virtual_app: Harness) -> None:
    failed = await failure_inside(virtual_app, [failing_after], endless)
    assert failed.error.startswith("TimeoutError\n")


@virtual_time_on_both
async def test_a_middleware_that_cancels_the_handler_and_goes_on_has_suppressed_that(
    virtual_app: Harness,
) -> None:
    failed = await failure_inside(virtual_app, [moving_on_after], endless)
    assert failed.error.startswith(
        "RuntimeError: middleware 'moving_on_after' suppressed Cancelled"
    )


@on_asyncio
async def test_a_time_limit_of_asyncio_works_around_a_handler(sqlite_app: Harness) -> None:
    @asynccontextmanager
    async def limiting(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
        async with asyncio.timeout(0.01):
            yield

    worker = bgjobs.worker(name="x")(anyio.sleep_forever)
    failed = await failure_inside(sqlite_app, [limiting], worker)
    assert failed.error.startswith("TimeoutError")


async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


@on_asyncio
@pytest.mark.parametrize("middleware", INSIDE)
@pytest.mark.parametrize("handler", [cancel_itself, wait_for_a_cancelled_task])
async def test_a_native_cancellation_fails_the_attempt_and_the_slot_goes_on(
    sqlite_app: Harness, middleware: Any, handler: Any
) -> None:
    """`end_inside` runs a healthy job in the same slot afterwards."""
    worker = bgjobs.worker(name="x")(handler)
    failed = await failure_inside(sqlite_app, [middleware], worker)
    assert "CancelledError" in failed.error
    assert (failed.crashes, failed.interruptions) == (0, 0)
    assert sqlite_app.recorder.of(ChildCrashed) == []
    assert len(sqlite_app.recorder.of(QueueStarted)) == 1


@on_asyncio
@pytest.mark.parametrize("middleware", INSIDE)
async def test_asyncio_s_own_cancellation_from_outside_interrupts(
    sqlite_app: Harness, middleware: Any
) -> None:
    jobs = []

    async def live() -> None:
        async with bgjobs.run(sqlite_app.config(endless, middleware=[middleware])) as bg:
            jobs.append(await bg.enqueue(endless.request()))
            await anyio.sleep_forever()

    task = asyncio.ensure_future(live())
    await sqlite_app.recorder.wait_for(JobStarted)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = sqlite_app.stored(jobs[0])
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)


@pytest.mark.parametrize("middleware", INSIDE)
def test_a_process_that_asyncio_ends_interrupts_the_job(
    sqlite_app: Harness, middleware: Any
) -> None:
    """`asyncio.run` cancels every task when one of them raises `SystemExit`."""
    jobs = []

    async def main() -> None:
        async with bgjobs.run(sqlite_app.config(endless, middleware=[middleware])) as bg:
            jobs.append(await bg.enqueue(endless.request()))
            await sqlite_app.recorder.wait_for(JobStarted)
            for task in asyncio.all_tasks():
                task.cancel()
            await anyio.sleep_forever()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    found = sqlite_app.stored(jobs[0])
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)


@on_asyncio
async def test_an_error_after_a_swallowed_native_cancellation_cannot_be_suppressed(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker
    async def raising() -> None:
        with suppress(asyncio.CancelledError):
            await cancel_itself()
        raise ValueError("no such customer")

    failed = await failure_inside(sqlite_app, [swallowing], raising)
    assert failed.error.startswith(
        "RuntimeError: middleware 'swallowing' suppressed ValueError"
    )


@virtual_time_on_both
async def test_a_group_with_a_cancellation_in_it_goes_on(virtual_app: Harness) -> None:
    @bgjobs.worker(timeout=30)
    async def grouping() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as error:
            raise BaseExceptionGroup("several", [ValueError("a client"), error]) from None

    failed = await failure_inside(virtual_app, [noting([], "a")], grouping)
    assert "ValueError: a client" in failed.error
    failed = await failure_inside(virtual_app, [swallowing], grouping)
    assert failed.error == TIMED_OUT
