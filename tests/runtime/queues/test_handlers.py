"""How handlers end: by returning, raising, running out of time or losing their queue."""

import threading
import time
from datetime import timedelta

import anyio
import pytest
from anyio import from_thread

import bgjobs
from bgjobs.events import (
    CancellationIgnored,
    JobFailed,
    JobReleased,
    JobStarted,
    JobSucceeded,
    LoopLag,
    ReservationLost,
)
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.queues.one_slot import ONE_RUN, healthy, run_then_prove_the_slot

pytestmark = pytest.mark.anyio


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


async def test_a_discard_raised_inside_a_task_group_discards_the_job(
    sqlite_app: Harness,
) -> None:
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


async def test_a_plain_handler_is_cancelled_where_it_checks(sqlite_app: Harness) -> None:
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


async def test_plain_handlers_run_concurrently_up_to_the_limit_of_the_queue(
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
    # It returned, so it has succeeded.
    assert isinstance(job, bgjobs.SucceededJob)


@virtual_time
async def test_a_handler_that_ignores_its_cancellation_is_reported(
    virtual_app: Harness,
) -> None:
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


async def test_blocking_the_loop_beyond_the_lease_keeps_the_reservation(app: Harness) -> None:
    """A thread renews the lease, so the job runs once and succeeds."""
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


async def test_a_backoff_that_raises_does_not_lose_the_job(sqlite_app: Harness) -> None:
    def broken(attempt: int) -> float:
        raise LookupError("no delay for you")

    @bgjobs.worker
    async def raising() -> None:
        raise ValueError

    config = sqlite_app.config(raising, queue={"backoff": broken, "max_retries": 1})
    async with bgjobs.run(config) as bg:
        failed = await bg.wait_for(await bg.enqueue(raising.request()))
    assert isinstance(failed, bgjobs.FailedJob)
    assert (len(failed.errors), failed.crashes) == (2, 0)
    assert sqlite_app.recorder.names().count("QueueError") == 1


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
    released = virtual_app.stored(job)
    assert released.reserved_by is None
    assert (released.attempts, released.crashes, released.interruptions) == (0, 0, 1)
