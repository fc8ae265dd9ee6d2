"""Exceptions of callbacks, of any class, do not end the tasks that call them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._runtime.bus import contains_error
from bgjobs.events import (
    ChildCrashed,
    ChildRestarted,
    Event,
    JobAttemptFailed,
    JobEnqueued,
    JobStarted,
    JobSucceeded,
    ListenerFailed,
    QueueError,
    StoreCalled,
    StoreResponded,
)
from bgjobs.testing import run_one
from tests.runtime.cancellations import old_cancellation, wait_for_a_cancelled_task
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio


ONE_SLOT = {"concurrency": 1, "max_retries": 1}


on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class Odd(BaseException):
    """Not an `Exception`, and never raised by Python."""


@bgjobs.worker
async def healthy() -> None:
    """Succeed."""


@bgjobs.worker
async def failing() -> None:
    raise ValueError


def cancelled_work(connection: Any) -> None:
    raise asyncio.CancelledError


@bgjobs.worker
async def completing(context: bgjobs.JobContext) -> None:
    context.complete_with(cancelled_work)


RAISED: list[Any] = [
    SystemExit(9),
    Odd(),
    GeneratorExit(),
    asyncio.CancelledError(),
    BaseExceptionGroup("several", [ValueError(), Odd()]),
    old_cancellation,
]


raised_by_callbacks = pytest.mark.parametrize(
    "raised", RAISED, ids=lambda one: getattr(one, "__name__", type(one).__name__)
)


async def as_error(raised: Any) -> BaseException:
    return raised if isinstance(raised, BaseException) else await old_cancellation()


class Once:
    """A listener that raises on the next event of one kind, once it is armed."""

    def __init__(self, kind: type[Event], error: BaseException) -> None:
        self.kind = kind
        self.error = error
        self.armed = False

    def __call__(self, event: Event) -> None:
        if self.armed and isinstance(event, self.kind):
            self.armed = False
            raise self.error


async def run_two(bg: bgjobs.BgJobs) -> list[Any]:
    """Run two jobs, one after the other."""
    with anyio.fail_after(60):
        return [await bg.wait_for(await bg.enqueue(healthy.request())) for _ in range(2)]


@raised_by_callbacks
@pytest.mark.parametrize(
    "kind", [StoreCalled, StoreResponded, JobEnqueued, JobStarted, JobSucceeded]
)
async def test_no_exception_of_a_listener_changes_a_job(
    sqlite_app: Harness, kind: type[Event], raised: Any
) -> None:
    error = await as_error(raised)
    listener = Once(kind, error)
    config = sqlite_app.config(
        healthy, queue=ONE_SLOT, listeners=[listener, sqlite_app.recorder]
    )
    async with bgjobs.run(config) as bg:
        listener.armed = True
        jobs = await run_two(bg)
        [failed] = sqlite_app.recorder.of(ListenerFailed)
    assert [(type(job), job.crashes, job.attempts) for job in jobs] == [
        (bgjobs.SucceededJob, 0, 0)
    ] * 2
    assert (failed.listener, failed.event) == ("Once", kind.__name__)
    assert str(failed.error).startswith(f"listener Once raised {type(error).__name__}")
    assert failed.error.__cause__ is error
    assert sqlite_app.recorder.of(ChildCrashed) == []


@pytest.mark.parametrize(
    "raised",
    [one for one in RAISED if not isinstance(one, GeneratorExit)],
    ids=lambda one: getattr(one, "__name__", type(one).__name__),
)
async def test_an_async_listener_that_raises_receives_the_next_event(
    sqlite_app: Harness, raised: Any
) -> None:
    error, received = await as_error(raised), list[str]()

    async def listen(event: Event) -> None:
        received.append(type(event).__name__)
        if isinstance(event, JobStarted) and received.count("JobStarted") == 1:
            raise error

    config = sqlite_app.config(healthy, listeners=[listen, sqlite_app.recorder])
    async with bgjobs.run(config) as bg:
        await run_two(bg)
        await sqlite_app.recorder.wait_for(ListenerFailed)
    [failed] = sqlite_app.recorder.of(ListenerFailed)
    assert failed.event == "JobStarted"
    assert failed.error.__cause__ is error
    assert received.count("JobStarted") == received.count("JobSucceeded") == 2


@pytest.mark.parametrize("kind", [StoreCalled, StoreResponded, JobStarted, JobSucceeded])
def test_ctrl_c_in_a_listener_ends_the_application(
    sqlite_app: Harness, kind: type[Event], anyio_backend: str
) -> None:
    listener = Once(kind, KeyboardInterrupt())
    config = sqlite_app.config(
        healthy, queue=ONE_SLOT, listeners=[listener, sqlite_app.recorder]
    )

    async def live() -> None:
        async with bgjobs.run(config) as bg:
            await bg.wait_for(await bg.enqueue(healthy.request()))
            listener.armed = True
            await bg.enqueue(healthy.request())
            await anyio.sleep_forever()

    with pytest.raises(BaseException) as left:
        anyio.run(live, backend=anyio_backend)
    assert contains_error(left.value, KeyboardInterrupt)
    assert not contains_error(left.value, Exception)
    with sqlite_app.opened() as store:
        assert list(store.list(bgjobs.JobFilter("running"))) == []


@raised_by_callbacks
async def test_a_backoff_that_raises_is_reported_and_the_default_is_used(
    sqlite_app: Harness, raised: Any
) -> None:
    error = await as_error(raised)

    def delay(attempt: int) -> float:
        raise error

    config = sqlite_app.config(failing, healthy, queue={**ONE_SLOT, "backoff": delay})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(failing.request())
        [reported] = await sqlite_app.recorder.wait_for(QueueError)
        await sqlite_app.recorder.wait_for(JobAttemptFailed)
        await run_two(bg)
        waiting = await bg.find(job.id)
    assert str(reported.error).startswith(f"backoff raised {type(error).__name__}")
    assert waiting is not None
    assert (waiting.crashes, waiting.interruptions) == (0, 0)
    assert sqlite_app.recorder.of(ChildCrashed) == []


@pytest.mark.parametrize("answer", [ValueError(), Odd(), SystemExit(9), "soon"])
@virtual_time
async def test_a_restart_backoff_that_raises_is_reported_and_the_default_is_used(
    virtual_app: Harness, answer: Any
) -> None:
    def delay(crashes: int) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @bgjobs.worker
    async def crashing() -> None:
        raise Odd

    tolerance = bgjobs.RestartTolerance(backoff=delay)
    config = virtual_app.config(crashing, healthy, restart_tolerance=tolerance)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(crashing.request())
        await virtual_app.recorder.wait_for(ChildRestarted)
        await run_two(bg)
    reported = [str(one.error) for one in virtual_app.recorder.of(QueueError)]
    assert [one for one in reported if "backoff" in one or not one]


@on_asyncio
async def test_a_cancellation_raised_by_completion_work_is_a_failed_attempt(
    app: Harness,
) -> None:
    async with bgjobs.run(app.config(completing, healthy, queue=ONE_SLOT)) as bg:
        failed = await bg.wait_for(await bg.enqueue(completing.request()))
        await run_two(bg)
    assert isinstance(failed, bgjobs.FailedJob)
    assert (failed.attempts, failed.crashes) == (1, 0)
    assert failed.error.startswith("CancelledError\n")
    assert app.recorder.of(ChildCrashed) == []


@on_asyncio
async def test_run_one_reports_a_cancellation_raised_by_completion_work(
    sqlite_app: Harness,
) -> None:
    ended = await run_one(completing, completing.request(), raising=False)
    assert ended.how == "raised"


async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await anyio.sleep_forever()


@pytest.mark.parametrize("handle", [wait_for_a_cancelled_task, cancel_itself])
def test_a_block_that_has_swallowed_a_cancellation_loses_no_slot(
    sqlite_app: Harness, handle: Callable[[], Any]
) -> None:
    @bgjobs.worker
    async def cancelled() -> None:
        await handle()

    async def live(ready: asyncio.Event) -> list[Any]:
        async with bgjobs.run(
            sqlite_app.config(cancelled, healthy, queue={**ONE_SLOT, "max_retries": 0})
        ) as bg:
            ready.set()
            with suppress(asyncio.CancelledError):  # without `uncancel`, as in most code
                await anyio.sleep_forever()
            with anyio.fail_after(60):
                return [
                    await bg.wait_for(await bg.enqueue(worker.request()))
                    for worker in (cancelled, healthy, cancelled, healthy)
                ]

    async def main() -> list[Any]:
        ready = asyncio.Event()
        task = asyncio.create_task(live(ready))
        await ready.wait()
        task.cancel()
        return await task

    jobs = asyncio.run(main())
    failed, succeeded = bgjobs.FailedJob, bgjobs.SucceededJob
    assert [type(job) for job in jobs] == [failed, succeeded, failed, succeeded]
    assert {(job.crashes, job.interruptions) for job in jobs} == {(0, 0)}


@on_asyncio
async def test_a_slot_cancelled_by_a_handler_that_has_returned_runs_the_next_job(
    sqlite_app: Harness,
) -> None:
    """As by a timer of the handler that cancels the task which ran it."""

    @bgjobs.worker
    async def leave_a_timer() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)

    tasks = list[asyncio.Task[Any]]()
    async with bgjobs.run(sqlite_app.config(leave_a_timer, healthy, queue=ONE_SLOT)) as bg:
        await bg.wait_for(await bg.enqueue(leave_a_timer.request()))
        await anyio.wait_all_tasks_blocked()
        tasks[0].cancel()
        await run_two(bg)
    assert sqlite_app.recorder.of(ChildCrashed) == []
