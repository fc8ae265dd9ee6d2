"""`max_retries`, `backoff` and `retry_on` of a worker decide what follows a failed attempt."""

import gc
import sys
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.errors import PayloadError
from bgjobs.events import (
    ChildCrashed,
    JobAttemptFailed,
    JobDiscarded,
    JobFailed,
    JobSnoozed,
    JobStarted,
    QueueError,
)
from tests.runtime.conftest import Harness, Wrapped, virtual_time
from tests.runtime.queues.one_slot import healthy

pytestmark = pytest.mark.anyio

IMMEDIATE = bgjobs.backoff.IMMEDIATE
NETWORK = (ConnectionError, TimeoutError)
HOUR = timedelta(hours=1)


def raising(error: BaseException, **settings: Any) -> bgjobs.Worker[[], Any]:
    """Return a worker that always raises this error."""

    @bgjobs.worker(name="raising", keep_result=False, **settings)
    async def work() -> None:
        raise error

    return work


async def run_to_the_end(app: Harness, worker: Any, **queue: Any) -> bgjobs.FailedJob:
    """Run a job until it has failed, and another one after it."""
    async with bgjobs.run(app.config(worker, healthy, queue=queue)) as bg:
        failed = await bg.wait_for(await bg.enqueue(worker.request()))
        last = await bg.wait_for(await bg.enqueue(healthy.request()))
    assert isinstance(failed, bgjobs.FailedJob)
    assert isinstance(last, bgjobs.SucceededJob)
    assert app.recorder.of(ChildCrashed) == []
    return failed


RESET = ConnectionResetError("reset")


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (RESET, 3),
        (KeyError("bug"), 1),
        (ExceptionGroup("two", [RESET, TimeoutError()]), 3),
        (ExceptionGroup("two", [RESET, KeyError("bug")]), 1),
        (SystemExit(3), 1),
    ],
    ids=repr,
)
async def test_only_errors_of_these_types_are_retried(
    app: Harness, error: BaseException, attempts: int
) -> None:
    failed = await run_to_the_end(app, raising(error, retry_on=NETWORK), max_retries=2)
    assert len(failed.errors) == attempts
    assert failed.errors[-1].error == failed.error
    assert len(app.recorder.of(JobAttemptFailed)) == attempts - 1
    assert len(app.recorder.of(JobFailed)) == 1


async def test_an_exit_is_retried_if_it_is_listed(app: Harness) -> None:
    @bgjobs.worker(retry_on=SystemExit, max_retries=1)
    def leave() -> None:
        sys.exit(3)

    failed = await run_to_the_end(app, leave)
    assert [one.error.split("\n")[0] for one in failed.errors] == ["SystemExit: 3"] * 2


@pytest.mark.parametrize(("types", "attempts"), [(NETWORK, 2), (ConnectionError, 1)])
@virtual_time
async def test_a_timeout_is_a_timeout_error(
    virtual_app: Harness, types: Any, attempts: int
) -> None:
    @bgjobs.worker(timeout=30, retry_on=types, max_retries=1)
    async def slow() -> None:
        await anyio.sleep_forever()

    failed = await run_to_the_end(virtual_app, slow)
    texts = [one.error for one in failed.errors]
    assert texts == ["TimeoutError: timed out after 30 seconds"] * attempts


@pytest.mark.parametrize(("types", "attempts"), [(NETWORK, 1), (PayloadError, 2)])
async def test_a_payload_that_does_not_fit_is_a_payload_error(
    app: Harness, types: Any, attempts: int
) -> None:
    @bgjobs.worker(retry_on=types, max_retries=1)
    async def mail(to: str) -> None: ...

    async with bgjobs.run(app.config(mail)) as bg:
        failed = await bg.wait_for(await bg.enqueue(bgjobs.JobRequest("mail", '{"to":5}')))
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith("PayloadError: payload of worker 'mail': to: expected str")
    assert len(failed.errors) == attempts


@pytest.mark.parametrize(("types", "attempts"), [(NETWORK, 1), (ZeroDivisionError, 2)])
async def test_the_error_of_completion_work_is_decided_upon(
    app: Harness, types: Any, attempts: int
) -> None:
    def break_down(connection: Any) -> None:
        raise ZeroDivisionError

    @bgjobs.worker(retry_on=types, max_retries=1)
    async def divide(context: bgjobs.JobContext) -> None:
        context.complete_with(break_down)

    failed = await run_to_the_end(app, divide)
    assert len(failed.errors) == attempts


class Asked:
    """A `retry_on` that records its calls and returns the same answer each time."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[str, int]] = []

    def __call__(self, error: BaseException, attempt: int) -> Any:
        self.calls.append((repr(error), attempt))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer


async def test_a_function_is_asked_after_each_attempt_with_its_number(app: Harness) -> None:
    asked, numbers = Asked(answer=True), list[int]()

    @bgjobs.worker(retry_on=asked, max_retries=2)
    async def work(context: bgjobs.JobContext) -> None:
        numbers.append(context.attempt)
        async with anyio.create_task_group():
            raise KeyError("bug")

    failed = await run_to_the_end(app, work)
    assert asked.calls == [("KeyError('bug')", number) for number in (1, 2, 3)]
    assert numbers == [one.attempt for one in failed.errors] == [1, 2, 3]


async def test_a_function_that_answers_false_fails_the_job(app: Harness) -> None:
    asked = Asked(answer=False)
    failed = await run_to_the_end(app, raising(RESET, retry_on=asked))
    assert (len(failed.errors), len(asked.calls)) == (1, 1)
    assert app.recorder.of(QueueError) == []


@virtual_time
async def test_a_delay_that_a_function_returns_replaces_the_backoff(
    virtual_app: Harness,
) -> None:
    def choose(error: BaseException, attempt: int) -> bool | timedelta:
        return attempt == 1 or attempt * HOUR

    worker = raising(RESET, retry_on=choose, backoff=bgjobs.backoff.Constant(60), max_retries=3)
    failed = await run_to_the_end(virtual_app, worker)
    delays = [event.retry_in for event in virtual_app.recorder.of(JobAttemptFailed)]
    assert delays == [timedelta(minutes=1), 2 * HOUR, 3 * HOUR]
    assert failed.failed_at - failed.created_at >= timedelta(hours=5, minutes=1)


async def later() -> bool:
    return True


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        (LookupError("no answer"), "no answer"),
        (SystemExit(9), "retry_on raised SystemExit: 9"),
        (GeneratorExit(), "retry_on raised GeneratorExit"),
        (1, "retry_on Asked: expected True, False or a timedelta, found int"),
        (None, "retry_on Asked: expected True, False or a timedelta, found NoneType"),
        (later, "retry_on Asked: expected True, False or a timedelta, found coroutine"),
    ],
)
async def test_a_function_that_fails_is_reported_and_the_job_is_retried(
    app: Harness, answer: Any, reported: str
) -> None:
    worker = raising(RESET, retry_on=Asked(answer), max_retries=1)
    failed = await run_to_the_end(app, worker)
    assert len(failed.errors) == 2
    errors = app.recorder.of(QueueError)
    assert [(one.queue, str(one.error)) for one in errors] == [("default", reported)] * 2


async def test_a_function_and_a_backoff_that_both_fail_are_both_reported(
    sqlite_app: Harness,
) -> None:
    def broken(attempt: int) -> float:
        raise LookupError("no delay")

    answer = Asked(ValueError("no answer"))
    worker = raising(RESET, retry_on=answer, backoff=broken, max_retries=1)
    failed = await run_to_the_end(sqlite_app, worker)
    assert len(failed.errors) == 2
    errors = [str(one.error) for one in sqlite_app.recorder.of(QueueError)]
    assert errors == ["no answer", "no delay", "no answer"]


async def test_requests_and_cancellations_are_not_decided_upon(app: Harness) -> None:
    asked = Asked(answer=False)

    @bgjobs.worker(retry_on=asked)
    async def obey(context: bgjobs.JobContext, order: str) -> None:
        if order == "discard":
            raise bgjobs.Discard("not needed")
        if context.job.reservations == 1 and order == "snooze":
            raise bgjobs.Snooze(for_=0)
        if order == "stay":
            await anyio.sleep_forever()

    async with bgjobs.run(app.config(obey)) as bg:
        discarded = await bg.enqueue(obey.request("discard"))
        snoozed = await bg.enqueue(obey.request("snooze"))
        assert isinstance(await bg.wait_for(discarded), bgjobs.FailedJob)
        assert isinstance(await bg.wait_for(snoozed), bgjobs.SucceededJob)
        cancelled = await bg.enqueue(obey.request("stay"))
        await app.recorder.wait_for(JobStarted, 4)
        await bg.admin.cancel(cancelled.id, reason="not today")
        assert isinstance(await bg.wait_for(cancelled), bgjobs.CancelledJob)
        interrupted = await bg.enqueue(obey.request("stay"))
        await app.recorder.wait_for(JobStarted, 5)
        bg.stop(grace=0)
    assert app.stored(interrupted).interruptions == 1
    assert asked.calls == []
    assert len(app.recorder.of(JobDiscarded)) == len(app.recorder.of(JobSnoozed)) == 1


@pytest.mark.parametrize(
    ("worker", "queue", "attempts"),
    [(None, 1, 2), (2, 0, 3), (0, 5, 1)],
)
async def test_the_retries_of_the_worker_precede_those_of_the_queue(
    app: Harness, worker: int | None, queue: int, attempts: int
) -> None:
    failed = await run_to_the_end(app, raising(RESET, max_retries=worker), max_retries=queue)
    assert len(failed.errors) == attempts


@virtual_time
async def test_the_backoff_of_the_worker_precedes_that_of_the_queue(
    virtual_app: Harness,
) -> None:
    own = raising(RESET, backoff=lambda attempt: HOUR * attempt)
    await run_to_the_end(virtual_app, own, backoff=bgjobs.backoff.Constant(1), max_retries=2)
    delays = [event.retry_in for event in virtual_app.recorder.of(JobAttemptFailed)]
    assert delays == [HOUR, 2 * HOUR]


class TrackedError(Exception):
    """Raised by a handler; a weak reference shows how long it lives."""


references: list[Callable[[], object]] = []


def raise_tracked(*_: object) -> None:
    error = TrackedError()
    references.append(weakref.ref(error))
    raise error


def failing_handler() -> bgjobs.Worker[[], Any]:
    @bgjobs.worker(name="tracked", retry_on=TrackedError)
    async def work() -> None:
        raise_tracked()

    return work


def failing_completion() -> bgjobs.Worker[[], Any]:
    @bgjobs.worker(name="tracked", retry_on=lambda error, _: isinstance(error, TrackedError))
    async def work(context: bgjobs.JobContext) -> None:
        context.complete_with(raise_tracked)

    return work


@pytest.mark.parametrize("make", [failing_handler, failing_completion])
@pytest.mark.parametrize("is_scheduled", [False, True])
async def test_an_exception_does_not_live_until_the_end_of_its_attempt_is_written(
    sqlite_app: Harness, make: Callable[[], bgjobs.Worker[[], Any]], *, is_scheduled: bool
) -> None:
    """It keeps its frames alive, and the write may wait for the database."""
    references.clear()
    store, alive = sqlite_app.database.store(), list[bool]()

    def write(new: Any = (), settle: Any = (), **more: Any) -> Any:
        if settle:
            gc.collect()
            alive.extend(one() is not None for one in references)
        return store.write(new, settle, **more)

    worker = make()
    scheduled = bgjobs.ScheduledJob(
        worker, bgjobs.every(milliseconds=50), max_retries=1, backoff=IMMEDIATE
    )
    config = sqlite_app.config(
        store=Wrapped(store, write=write),
        queues=[] if is_scheduled else [bgjobs.Queue("q", workers=[worker], max_retries=1)],
        scheduled_jobs=[scheduled] if is_scheduled else [],
        enqueue_only=[worker],
    )
    async with bgjobs.run(config) as bg:
        if not is_scheduled:
            await bg.enqueue(worker.request())
        await sqlite_app.recorder.wait_for(JobFailed)
    assert len(references) >= 2
    assert len(alive) >= len(references)  # a run that the end of the application releases, too
    assert not any(alive)
