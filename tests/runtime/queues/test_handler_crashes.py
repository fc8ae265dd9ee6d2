"""Handlers that raise a BaseException, or a cancellation that is not their own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import (
    CancellationIgnored,
    ChildCrashed,
    ChildRestarted,
    JobReleased,
    JobStarted,
    MonitorFailed,
    OwnerDied,
    QueueError,
    QueueStarted,
)
from tests.runtime.cancellations import old_cancellation, wait_for_a_cancelled_task
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.queues.one_slot import (
    ONE_RUN,
    NotAnException,
    healthy,
    on_asyncio,
    restarts,
    run_then_prove_the_slot,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("error", [NotAnException, GeneratorExit])
async def test_a_base_exception_restarts_the_queue_and_counts_a_crash(
    app: Harness, error: type[BaseException]
) -> None:
    """The job runs again after each crash, up to the limit, and then fails."""

    @bgjobs.worker
    async def poison() -> None:
        raise error

    config = app.config(poison, healthy, limits=bgjobs.Limits(max_crashes=2), **restarts())
    failed, last = await run_then_prove_the_slot(
        app, config, poison.request(), healthy.request()
    )
    assert isinstance(failed, bgjobs.FailedJob)
    assert (failed.attempts, failed.crashes, failed.reservations) == (0, 3, 3)
    assert failed.error == "its worker died 3 times while running it"
    assert isinstance(last, bgjobs.SucceededJob)
    assert len(app.recorder.of(OwnerDied)) == 3
    assert len(app.recorder.of(ChildRestarted)) == 3
    assert len(app.recorder.of(MonitorFailed)) == 1


async def test_a_plain_handler_that_raises_a_base_exception_counts_a_crash(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker
    def poison() -> None:
        raise NotAnException

    config = sqlite_app.config(poison, limits=bgjobs.Limits(max_crashes=0), **restarts())
    (failed,) = await run_then_prove_the_slot(sqlite_app, config, poison.request())
    assert failed.error == "its worker died 1 times while running it"


async def test_neighbours_of_a_crash_are_run_again_without_a_crash(sqlite_app: Harness) -> None:
    """The end of the queue cancels its other handlers, so none is orphaned."""
    started = anyio.Event()
    runs = []

    @bgjobs.worker
    async def neighbour() -> None:
        runs.append("start")
        started.set()
        if len(runs) == 1:
            try:
                await anyio.sleep_forever()
            finally:
                runs.append("cancelled")

    @bgjobs.worker
    async def poison() -> None:
        await started.wait()
        raise NotAnException

    config = sqlite_app.config(
        neighbour, poison, limits=bgjobs.Limits(max_crashes=0), **restarts()
    )
    job, failed = await run_then_prove_the_slot(
        sqlite_app, config, neighbour.request(), poison.request()
    )
    assert runs == ["start", "cancelled", "start"]
    assert isinstance(job, bgjobs.SucceededJob)
    assert (job.crashes, job.interruptions, job.attempts) == (0, 1, 0)
    assert (failed.crashes, failed.interruptions) == (1, 0)


async def wait_for_several() -> None:
    await asyncio.gather(wait_for_a_cancelled_task(), asyncio.sleep(0))


async def raise_it_in_a_group() -> None:
    try:
        await wait_for_a_cancelled_task()
    except asyncio.CancelledError as error:
        raise BaseExceptionGroup("several", [ValueError("a client"), error]) from None


async def raise_one_that_was_kept() -> None:
    """The cancellation belongs to a scope that is closed."""
    raise await old_cancellation()


async def check_that_the_attempt_failed(
    app: Harness, cancelled: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    @bgjobs.worker
    async def strange() -> None:
        await cancelled()

    config = app.config(strange, healthy, queue={**ONE_RUN, "max_retries": 1})
    failed, last = await run_then_prove_the_slot(
        app, config, strange.request(), healthy.request()
    )
    assert isinstance(failed, bgjobs.FailedJob)
    assert (failed.attempts, failed.crashes, failed.interruptions) == (1, 0, 0)
    assert "Cancelled" in failed.error
    assert isinstance(last, bgjobs.SucceededJob)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(QueueStarted)) == 1


@on_asyncio
@pytest.mark.parametrize(
    "cancelled", [wait_for_a_cancelled_task, wait_for_several, raise_it_in_a_group]
)
async def test_a_handler_that_waits_for_a_cancelled_task_has_failed(
    sqlite_app: Harness, cancelled: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """The queue goes on, because the handler itself was not cancelled."""
    await check_that_the_attempt_failed(sqlite_app, cancelled)


async def test_a_handler_that_raises_an_old_cancellation_has_failed(
    sqlite_app: Harness,
) -> None:
    await check_that_the_attempt_failed(sqlite_app, raise_one_that_was_kept)


@on_asyncio
async def test_a_plain_handler_that_raises_a_cancellation_has_failed(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker
    def plain() -> None:
        raise asyncio.CancelledError

    failed, last = await run_then_prove_the_slot(
        sqlite_app,
        sqlite_app.config(plain, healthy, queue=ONE_RUN),
        plain.request(),
        healthy.request(),
    )
    assert isinstance(failed, bgjobs.FailedJob)
    assert isinstance(last, bgjobs.SucceededJob)


async def pass_it_on() -> None:
    await anyio.sleep_forever()


async def wrap_it_in_a_group() -> None:
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class() as error:
        raise BaseExceptionGroup("several", [ValueError("a client"), error]) from None


@pytest.mark.parametrize("handle", [pass_it_on, wrap_it_in_a_group])
async def test_a_cancellation_from_outside_interrupts_and_fails_nothing(
    app: Harness, handle: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    @bgjobs.worker
    async def long() -> None:
        await handle()

    async with anyio.create_task_group() as group:
        bg = await group.start(bgjobs.serve, app.config(long, queue=ONE_RUN))
        job = await bg.enqueue(long.request())
        await app.recorder.wait_for(JobStarted)
        group.cancel_scope.cancel()
    assert_interrupted(app, job)


@on_asyncio
@pytest.mark.parametrize("handle", [pass_it_on, wrap_it_in_a_group])
async def test_asyncio_s_own_cancellation_from_outside_interrupts_and_fails_nothing(
    sqlite_app: Harness, handle: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    @bgjobs.worker
    async def long() -> None:
        await handle()

    jobs = []

    async def live() -> None:
        async with bgjobs.run(sqlite_app.config(long, queue=ONE_RUN)) as bg:
            jobs.append(await bg.enqueue(long.request()))
            await anyio.sleep_forever()

    task = asyncio.ensure_future(live())
    await sqlite_app.recorder.wait_for(JobStarted)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_interrupted(sqlite_app, *jobs)


def assert_interrupted(app: Harness, job: bgjobs.Job) -> None:
    found = app.stored(job)
    assert found.reserved_by is None
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)
    assert len(app.recorder.of(JobReleased)) == 1


@virtual_time
async def test_a_handler_that_ended_its_queue_is_not_reported(virtual_app: Harness) -> None:
    crashes = anyio.Event()

    @bgjobs.worker
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(100)

    @bgjobs.worker
    async def crashing() -> None:
        await crashes.wait()
        raise NotAnException

    async with bgjobs.run(virtual_app.config(stubborn, crashing, grace=10)) as bg:
        await bg.enqueue_many([stubborn.request(), crashing.request()])
        await virtual_app.recorder.wait_for(JobStarted, 2)
        crashes.set()
        await virtual_app.recorder.wait_for(QueueError)
    named = virtual_app.recorder.of(CancellationIgnored)
    assert [one.job.name for one in named] == ["stubborn"]
