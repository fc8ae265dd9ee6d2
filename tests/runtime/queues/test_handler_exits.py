"""`sys.exit` in a handler fails the attempt, as any exception does; the queue goes on."""

import sys
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest

import bgjobs
from bgjobs.events import ChildCrashed, JobStarted, QueueError, QueueStarted
from tests.runtime.cancellations import old_cancellation
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


class NotAnException(BaseException):
    """A BaseException that ends the queue."""


@attrs.frozen
class Exiting:
    """An argument that exits when it is read."""

    code: int

    def __attrs_post_init__(self) -> None:
        if self.code < 0:
            sys.exit(-self.code)


def worker_of(function: Any) -> bgjobs.Worker[[], Any]:
    return bgjobs.worker(name="leave")(function)


async def exit_async() -> None:
    await anyio.lowlevel.checkpoint()
    sys.exit(3)


def exit_plain() -> None:
    sys.exit(3)


def returns_what_exits() -> Any:
    return exit_async()


async def exit_with_others() -> None:
    raise BaseExceptionGroup("several", [ValueError("a client"), SystemExit(3)])


async def exit_in_a_cancelled_scope() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            sys.exit(3)


async def exit_with_an_old_cancellation() -> None:
    raise BaseExceptionGroup("several", [await old_cancellation(), SystemExit(3)])


async def failed_and_neighbour(
    app: Harness, worker: bgjobs.Worker[[], Any]
) -> tuple[bgjobs.FailedJob, bgjobs.SucceededJob]:
    """Run it until it fails, beside a handler that runs all the time."""
    go_on = anyio.Event()

    @bgjobs.worker
    async def neighbour() -> None:
        await go_on.wait()

    config = app.config(worker, neighbour, queue={"max_retries": 1, "concurrency": 2})
    async with bgjobs.run(config) as bg:
        beside = await bg.enqueue(neighbour.request())
        failed = await bg.wait_for(await bg.enqueue(worker.request()))
        go_on.set()
        well = await bg.wait_for(beside)
    assert isinstance(failed, bgjobs.FailedJob)
    assert isinstance(well, bgjobs.SucceededJob)
    return failed, well


@pytest.mark.parametrize(
    "handler",
    [
        exit_async,
        exit_plain,
        returns_what_exits,
        exit_with_others,
        exit_in_a_cancelled_scope,
        exit_with_an_old_cancellation,
    ],
)
async def test_an_exit_is_a_failed_attempt_and_affects_no_other_job(
    app: Harness, handler: Callable[..., Any]
) -> None:
    failed, well = await failed_and_neighbour(app, worker_of(handler))
    assert (failed.attempts, failed.crashes, failed.interruptions) == (1, 0, 0)
    assert "SystemExit: 3" in failed.error
    assert "sys.exit(3)" in failed.error or "SystemExit(3)" in failed.error
    assert (well.crashes, well.interruptions, well.reservations) == (0, 0, 1)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(QueueStarted)) == 1


@pytest.mark.parametrize(("code", "first"), [(3, "SystemExit: 3"), (None, "SystemExit")])
async def test_the_error_begins_with_the_code(
    sqlite_app: Harness, code: Any, first: str
) -> None:
    @bgjobs.worker
    async def leave() -> None:
        sys.exit(code)

    failed, _ = await failed_and_neighbour(sqlite_app, leave)
    assert failed.error.partition("\n")[0] == first
    assert "Traceback (most recent call last):" in failed.error
    assert [error.error.partition("\n")[0] for error in failed.errors] == [first, first]


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_an_exit_in_a_task_of_the_handler_s_own_is_one_too_on_trio(
    sqlite_app: Harness,
) -> None:
    """On asyncio it ends the event loop itself, whichever task raised it."""

    @bgjobs.worker
    async def leave() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            group.start_soon(exit_async)

    failed, _ = await failed_and_neighbour(sqlite_app, leave)
    assert "SystemExit: 3" in failed.error
    assert (failed.attempts, failed.crashes) == (1, 0)


@pytest.mark.parametrize("error", [NotAnException(), KeyboardInterrupt()])
async def test_an_exit_in_a_group_with_a_base_exception_ends_the_queue(
    sqlite_app: Harness, error: BaseException
) -> None:
    @bgjobs.worker
    async def leave() -> None:
        raise BaseExceptionGroup("several", [SystemExit(3), error])

    config = sqlite_app.config(
        leave, restart_tolerance=bgjobs.RestartTolerance(restarts=0), queue={"max_retries": 0}
    )
    with pytest.raises(BaseExceptionGroup):
        async with bgjobs.run(config) as bg:
            await bg.enqueue(leave.request())
            await anyio.sleep_forever()
    with sqlite_app.opened() as store:
        assert list(store.list(bgjobs.JobFilter("failed"))) == []


async def test_an_exit_while_the_grace_is_over_is_an_interruption(app: Harness) -> None:
    @bgjobs.worker
    async def leave() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            sys.exit(3)

    async with bgjobs.run(app.config(leave, grace=0)) as bg:
        job = await bg.enqueue(leave.request())
        await app.recorder.wait_for(JobStarted)
    found = app.stored(job)
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)


async def test_an_exit_caused_by_a_timeout_is_a_failed_attempt(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker(timeout=0.01)
    async def leave() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            sys.exit(3)

    failed, _ = await failed_and_neighbour(sqlite_app, leave)
    assert failed.error.startswith("SystemExit: 3\n")


async def test_an_exit_while_arguments_are_read_is_a_failed_attempt(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker
    async def take(it: Exiting) -> None: ...

    config = sqlite_app.config(take, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        stored = take.request(Exiting(3)).payload.replace("3", "-3")
        job = await bg.enqueue(bgjobs.JobRequest("take", stored))
        failed = await bg.wait_for(job)
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith("SystemExit: 3\n")
    assert (failed.crashes, sqlite_app.recorder.of(ChildCrashed)) == (0, [])


async def test_an_exit_of_a_backoff_does_not_lose_the_job(sqlite_app: Harness) -> None:
    def leave(attempt: int) -> float:
        sys.exit(3)

    @bgjobs.worker
    async def raising() -> None:
        raise ValueError

    config = sqlite_app.config(raising, queue={"backoff": leave, "max_retries": 1})
    async with bgjobs.run(config) as bg:
        failed = await bg.wait_for(await bg.enqueue(raising.request()))
    (told,) = sqlite_app.recorder.of(QueueError)
    assert str(told.error) == "backoff raised SystemExit: 3"
    assert isinstance(failed, bgjobs.FailedJob)
    assert (len(failed.errors), failed.crashes, failed.interruptions) == (2, 0, 0)
    assert sqlite_app.recorder.of(ChildCrashed) == []
