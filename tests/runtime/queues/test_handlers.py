"""Handlers of every kind: each job ends where it should, and no slot leaks."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio import from_thread

import bgjobs
from bgjobs.events import (
    CancellationIgnored,
    ChildCrashed,
    ChildRestarted,
    JobFailed,
    JobReleased,
    JobStarted,
    JobSucceeded,
    LoopLag,
    MonitorFailed,
    OwnerDied,
    QueueError,
    QueueStarted,
    ReservationLost,
)
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio
ONE_RUN = {"max_retries": 0, "concurrency": 1}


class NotAnException(BaseException):
    """What no handler should raise."""


async def run_then_prove_the_slot(app: Harness, config: bgjobs.Config, *requests: Any) -> Any:
    """Run jobs through a queue with one slot; a leaked slot would let the last one wait."""
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many(requests)
        await bg.drain()
        assert bg.queue("default").running == ()
        return [await bg.find(job.id) for job in jobs]


@bgjobs.worker
async def healthy() -> None:
    """Ends well."""


async def test_returning_a_value_is_success(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def answering() -> int:
        return 42

    config = sqlite_app.config(answering, healthy, queue=ONE_RUN)
    first, last = await run_then_prove_the_slot(
        sqlite_app, config, answering.request(), healthy.request()
    )
    assert isinstance(first, bgjobs.SucceededJob)
    assert isinstance(last, bgjobs.SucceededJob)


async def test_raising_fails_the_attempt_and_frees_the_slot(app: Harness) -> None:
    @bgjobs.worker
    async def raising() -> None:
        raise ValueError("no such customer")

    config = app.config(raising, healthy, queue=ONE_RUN)
    failed, last = await run_then_prove_the_slot(
        app, config, raising.request(), healthy.request()
    )
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith("ValueError: no such customer\n")
    assert isinstance(last, bgjobs.SucceededJob)


async def test_an_error_no_database_can_store_is_stored_cleaned(app: Harness) -> None:
    @bgjobs.worker
    async def raising() -> None:
        raise ValueError("nul \0 and a lone surrogate \ud800")

    config = app.config(raising, queue=ONE_RUN)
    (failed,) = await run_then_prove_the_slot(app, config, raising.request())
    assert failed.error.startswith("ValueError: nul \ufffd and a lone surrogate \ufffd\n")


async def test_a_group_of_errors_is_stored_whole(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def with_a_nursery() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(failing_with, ValueError("first"))
            group.start_soon(failing_with, KeyError("second"))

    config = sqlite_app.config(with_a_nursery, queue=ONE_RUN)
    (failed,) = await run_then_prove_the_slot(sqlite_app, config, with_a_nursery.request())
    assert "ValueError: first" in failed.error
    assert "KeyError: 'second'" in failed.error


async def failing_with(error: Exception) -> None:
    raise error


async def test_an_order_raised_inside_a_nursery_is_an_order(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def with_a_nursery() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(failing_with, bgjobs.Discard("enough"))

    (failed,) = await run_then_prove_the_slot(
        sqlite_app, sqlite_app.config(with_a_nursery), with_a_nursery.request()
    )
    assert (failed.error, failed.attempts) == ("enough", 0)


async def test_spawned_tasks_end_with_the_handler(sqlite_app: Harness) -> None:
    ended = []

    async def child(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        ended.append(number)

    @bgjobs.worker
    async def spawning() -> None:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(child, number)

    (job,) = await run_then_prove_the_slot(
        sqlite_app, sqlite_app.config(spawning), spawning.request()
    )
    assert isinstance(job, bgjobs.SucceededJob)
    assert sorted(ended) == list(range(10))


@pytest.mark.parametrize("error", [NotAnException, GeneratorExit])
async def test_a_base_exception_restarts_the_queue_and_counts_a_crash(
    app: Harness, error: type[BaseException]
) -> None:
    """A poison job runs again after each crash, up to the limit, and then is failed."""

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


async def test_a_sync_handler_may_raise_a_base_exception_too(sqlite_app: Harness) -> None:
    @bgjobs.worker
    def poison() -> None:
        raise NotAnException

    config = sqlite_app.config(poison, limits=bgjobs.Limits(max_crashes=0), **restarts())
    (failed,) = await run_then_prove_the_slot(sqlite_app, config, poison.request())
    assert failed.error == "its worker died 1 times while running it"


def restarts() -> dict[str, Any]:
    tolerance = bgjobs.RestartTolerance(restarts=100, backoff=bgjobs.backoff.IMMEDIATE)
    return {"restart_tolerance": tolerance}


async def test_neighbours_of_a_crash_are_run_again_without_a_crash(sqlite_app: Harness) -> None:
    """The queue's death cancels its other handlers: there are no orphans."""
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


on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def wait_for_a_cancelled_task() -> None:
    """Somebody else has cancelled it, as pools and clients do at their end."""
    task = asyncio.ensure_future(asyncio.sleep(3600))
    task.cancel()
    await task


async def wait_for_several() -> None:
    await asyncio.gather(wait_for_a_cancelled_task(), asyncio.sleep(0))


async def raise_it_in_a_group() -> None:
    try:
        await wait_for_a_cancelled_task()
    except asyncio.CancelledError as error:
        raise BaseExceptionGroup("several", [ValueError("a client"), error]) from None


async def raise_one_that_was_kept() -> None:
    """A cancellation of a scope that is closed is nobody's any more."""
    kept: BaseException | None = None
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as error:
            kept = error
    assert kept is not None
    raise kept


async def prove_that_it_is_an_attempt(
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
    """Its queue lives: nobody has cancelled the handler itself."""
    await prove_that_it_is_an_attempt(sqlite_app, cancelled)


async def test_a_handler_that_raises_an_old_cancellation_has_failed(
    sqlite_app: Harness,
) -> None:
    await prove_that_it_is_an_attempt(sqlite_app, raise_one_that_was_kept)


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
    store = app.open_store()
    found = store.find(job.id)
    store.close()
    assert isinstance(found, bgjobs.Job)
    assert found.reserved_by is None
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)
    assert len(app.recorder.of(JobReleased)) == 1


@virtual_time
async def test_a_timeout_cancels_the_handler_and_fails_the_attempt(
    virtual_app: Harness,
) -> None:
    left = []

    @bgjobs.worker(timeout=30)
    async def slow(context: bgjobs.JobContext) -> None:
        assert context.deadline is not None
        left.append(context.deadline - virtual_app.settings["clock"].now())
        await anyio.sleep_forever()

    config = virtual_app.config(slow, queue={"max_retries": 1, "concurrency": 1})
    (failed,) = await run_then_prove_the_slot(virtual_app, config, slow.request())
    assert left == [timedelta(seconds=30)] * 2
    assert failed.error == "TimeoutError: timed out after 30 seconds"
    assert failed.attempts == 1


async def test_a_sync_handler_is_cancelled_where_it_checks(sqlite_app: Harness) -> None:
    checks = []

    @bgjobs.worker(timeout=0.05)
    def checking() -> None:
        while True:
            checks.append(1)
            time.sleep(0.001)
            from_thread.check_cancelled()

    config = sqlite_app.config(checking, healthy, queue=ONE_RUN)
    failed, _ = await run_then_prove_the_slot(
        sqlite_app, config, checking.request(), healthy.request()
    )
    assert failed.error == "TimeoutError: timed out after 0.05 seconds"
    assert checks


async def test_sync_handlers_run_as_many_at_once_as_the_queue_allows(
    sqlite_app: Harness,
) -> None:
    together = threading.Barrier(3, timeout=30)

    @bgjobs.worker
    def meeting() -> None:
        together.wait()

    config = sqlite_app.config(meeting, queue={"concurrency": 3, "max_retries": 0})
    jobs = await run_then_prove_the_slot(
        sqlite_app, config, *[meeting.request() for _ in range(6)]
    )
    assert all(isinstance(job, bgjobs.SucceededJob) for job in jobs)


@virtual_time
async def test_a_handler_that_swallows_its_timeout_is_cancelled_again(
    virtual_app: Harness,
) -> None:
    """Cancellation is level-triggered: every further wait is cancelled too."""
    swallowed = []

    @bgjobs.worker(timeout=10)
    async def stubborn() -> None:
        for _ in range(3):
            try:
                await anyio.sleep(3600)
            except anyio.get_cancelled_exc_class():
                swallowed.append(1)

    config = virtual_app.config(stubborn, healthy, queue=ONE_RUN)
    job, _ = await run_then_prove_the_slot(
        virtual_app, config, stubborn.request(), healthy.request()
    )
    assert swallowed == [1, 1, 1]
    # It returned, so it is taken at its word.
    assert isinstance(job, bgjobs.SucceededJob)


@virtual_time
async def test_a_handler_that_does_not_end_is_named(virtual_app: Harness) -> None:
    @bgjobs.worker
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(100)

    async with bgjobs.run(virtual_app.config(stubborn, grace=10)) as bg:
        await bg.enqueue(stubborn.request())
        await virtual_app.recorder.wait_for(JobStarted)
    (named,) = virtual_app.recorder.of(CancellationIgnored)
    assert named.job.name == "stubborn"
    assert len(virtual_app.recorder.of(JobSucceeded)) == 1


@virtual_time
async def test_a_handler_that_took_its_queue_down_is_not_named(virtual_app: Harness) -> None:
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


async def test_blocking_the_loop_beyond_the_lease_keeps_the_reservation(app: Harness) -> None:
    """The heartbeat is a thread, so the lease is renewed; the job runs once and succeeds."""
    runs = []

    @bgjobs.worker
    async def blocking() -> None:
        runs.append(1)
        time.sleep(2)  # noqa: ASYNC251 - blocking the loop is what is tested

    config = app.config(
        blocking, lease=1.5, heartbeat_interval=0.25, sweep_interval=0.1, queue=ONE_RUN
    )
    other = bgjobs.Config(
        store=app.database.store(), enqueue_only=[blocking], sweep_interval=0.1
    )
    async with bgjobs.run(other):
        (job,) = await run_then_prove_the_slot(app, config, blocking.request())
    assert (runs, job.reservations) == ([1], 1)
    assert isinstance(job, bgjobs.SucceededJob)
    assert app.recorder.of(ReservationLost) == []
    assert [lag.worker for lag in app.recorder.of(LoopLag)][:1] == ["blocking"]


async def test_a_payload_of_one_mebibyte_arrives(app: Harness) -> None:
    sizes = []

    @bgjobs.worker
    async def weighing(text: str) -> None:
        sizes.append(len(text))

    text = "x" * (1_048_576 - len('{"text":""}'))
    (job,) = await run_then_prove_the_slot(app, app.config(weighing), weighing.request(text))
    assert isinstance(job, bgjobs.SucceededJob)
    assert sizes == [len(text)]


async def test_a_payload_that_no_longer_fits_fails_like_any_error(app: Harness) -> None:
    """The signature changed between enqueueing and running."""

    @bgjobs.worker(name="mail")
    async def old(to: list[str]) -> None: ...

    @bgjobs.worker(name="mail")
    async def new(to: list[int]) -> None: ...

    (failed,) = await run_then_prove_the_slot(
        app, app.config(new, queue=ONE_RUN), old.request(["a"])
    )
    assert failed.error.startswith(
        "PayloadError: payload of worker 'mail': to[0]: expected int, found str"
    )
    assert len(app.recorder.of(JobFailed)) == 1


async def test_work_given_to_complete_with_is_one_with_the_completion(app: Harness) -> None:
    connection = app.database.connect()
    with connection:
        connection.execute("create table bgjobs_test_effects (number integer)")
    connection.close()

    @bgjobs.worker
    async def effect(context: bgjobs.JobContext, number: int) -> None:
        context.complete_with(lambda connection: insert(connection, number))
        if number == 2:
            context.complete_with(break_down)

    try:
        good, bad = await run_then_prove_the_slot(
            app, app.config(effect, queue=ONE_RUN), effect.request(1), effect.request(2)
        )
        connection = app.database.connect()
        with connection:
            rows = list(connection.execute("select number from bgjobs_test_effects"))
        connection.close()
    finally:
        connection = app.database.connect()
        with connection:
            connection.execute("drop table bgjobs_test_effects")
        connection.close()
    assert rows == [(1,)]
    assert isinstance(good, bgjobs.SucceededJob)
    assert isinstance(bad, bgjobs.FailedJob)
    assert bad.error.startswith("ZeroDivisionError")


async def test_work_that_commits_fails_the_attempt_and_says_why(app: Harness) -> None:
    @bgjobs.worker
    async def eager(context: bgjobs.JobContext) -> None:
        context.complete_with(lambda connection: connection.execute("commit"))

    (failed,) = await run_then_prove_the_slot(
        app, app.config(eager, queue=ONE_RUN), eager.request()
    )
    assert isinstance(failed, bgjobs.FailedJob)
    assert re.search("neither commit nor roll back|do not end the transaction", failed.error)
    assert "the job has not succeeded" in failed.error


async def test_work_that_raises_a_base_exception_is_a_crash(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def poison(context: bgjobs.JobContext) -> None:
        context.complete_with(crash)

    config = sqlite_app.config(poison, limits=bgjobs.Limits(max_crashes=1), **restarts())
    (failed,) = await run_then_prove_the_slot(sqlite_app, config, poison.request())
    assert isinstance(failed, bgjobs.FailedJob)
    assert (failed.crashes, failed.interruptions) == (2, 0)


def insert(connection: Any, number: int) -> None:
    connection.execute(f"insert into bgjobs_test_effects values ({number})")


def break_down(connection: Any) -> None:
    raise ZeroDivisionError


def crash(connection: Any) -> None:
    raise NotAnException


async def test_a_backoff_that_raises_does_not_lose_the_job(sqlite_app: Harness) -> None:
    def broken(attempt: int) -> float:
        raise LookupError("no delay for you")

    @bgjobs.worker
    async def raising() -> None:
        raise ValueError

    config = sqlite_app.config(raising, queue={"backoff": broken, "max_retries": 1})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(raising.request())
        await bg.drain()
        waiting = await bg.find(job.id)
    assert isinstance(waiting, bgjobs.Job | bgjobs.FailedJob)
    assert "QueueError" in sqlite_app.recorder.names()


@virtual_time
async def test_an_interrupted_handler_is_released_and_spends_nothing(
    virtual_app: Harness,
) -> None:
    @bgjobs.worker
    async def long() -> None:
        await anyio.sleep_forever()

    async with bgjobs.run(virtual_app.config(long, grace=7)) as bg:
        job = await bg.enqueue(long.request())
        await virtual_app.recorder.wait_for(JobStarted)
        before = anyio.current_time()
    assert anyio.current_time() - before == pytest.approx(7)
    assert len(virtual_app.recorder.of(JobReleased)) == 1
    store = virtual_app.open_store()
    released = store.find(job.id)
    store.close()
    assert isinstance(released, bgjobs.Job)
    assert released.reserved_by is None
    assert (released.attempts, released.crashes, released.interruptions) == (0, 0, 1)
