"""Right calls: checked by mypy and pyright, never run."""

import sqlite3
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, assert_type
from uuid import UUID

from bgjobs import (
    Admin,
    BgJobs,
    CancelledJob,
    Client,
    Config,
    Counts,
    Cursor,
    Event,
    FailedJob,
    Job,
    JobContext,
    JobFilter,
    JobRequest,
    Listing,
    NotKept,
    Page,
    PastEnd,
    PastReservation,
    Queue,
    ScheduledJob,
    SQLiteStore,
    State,
    SucceededJob,
    TimelineEntry,
    UnreadableJob,
    connect,
    every,
    run,
    worker,
)
from bgjobs._core.config import AnyWorker
from bgjobs._core.workers import Worker
from bgjobs.backoff import IMMEDIATE, Backoff, Exponential
from bgjobs.errors import JobCancelledError, JobFailedError


@worker
async def send(to: str, copies: int = 1, *, urgent: bool = False) -> None:
    """Async and bare."""


@worker
async def tell(ctx: JobContext, to: str) -> int:
    """Async with a context, which is left out of the call."""
    return ctx.attempt


@worker
async def perhaps(ctx: JobContext | None, to: str) -> None:
    """Async with a context that tests may leave out."""


assert_type(perhaps.request("ada"), JobRequest[NotKept])


@worker
def add(left: int, right: int) -> int:
    """Plain."""
    return left + right


@worker(name="purge", timeout=timedelta(seconds=30))
def purge(ctx: JobContext, /, *names: str, **limits: int) -> None:
    """Plain, with settings, a context and open ends."""


@worker
def count() -> int:
    """Plain and without arguments."""
    return 1


@worker(timeout=30)
async def digest() -> str:
    """Async, with settings and without arguments."""
    return ""


@worker(keep_result=True)
async def total(ctx: JobContext, /, *parts: int) -> int:
    """Async, with a result and a context."""
    return sum(parts)


@worker(keep_result=True, timeout=5)
def words(text: str) -> list[str]:
    """Plain, with a result."""
    return text.split()


@worker(keep_result=True)
def deferred(text: str) -> Coroutine[Any, Any, str]:
    """Plain, with a coroutine that the queue awaits."""
    return later(text)


async def later(text: str) -> str:
    """What a plain handler returns to be awaited."""
    return text


async def results(client: Client, some_id: UUID) -> None:
    """The type of a result goes from the handler to every value of its job."""
    assert_type(total.request(1, 2), JobRequest[int])
    assert_type(words.request("a").available_in(days=1).unique("a"), JobRequest[list[str]])
    job = await client.enqueue(total.request(1))
    assert_type(job, Job[int])
    assert_type(await client.result(job), int)
    assert_type(await client.result(await client.enqueue(words.request("a"))), list[str])
    assert_type(await client.result(await client.enqueue(deferred.request("a"))), str)
    assert_type(await client.result(some_id, worker=total), int)
    ended = await client.wait_for(job)
    assert_type(ended, SucceededJob[int] | FailedJob[int] | CancelledJob[int])
    if isinstance(ended, SucceededJob):
        assert_type(ended.result, int)
    assert_type(await client.result(ended), int)
    found = await client.find(some_id, worker=words)
    if found is not None and found.state == "succeeded":
        assert_type(found.result, list[str])
    anything = await client.find(some_id)
    if anything is not None and anything.state == "succeeded":
        assert_type(anything.result, object)
    many = await client.enqueue_many(total.request(one) for one in range(3))
    assert_type(many, Sequence[Job[int]])
    await client.enqueue_many([total.request(1), send.request("a")])
    try:
        await client.result(job)
    except JobFailedError as error:
        assert_type(error.job.error, str)
    except JobCancelledError as error:
        assert_type(error.job.reason, str)


def decide(error: BaseException, attempt: int) -> bool | timedelta:
    """A `retry_on` that uses everything it may."""
    if isinstance(error, KeyError):
        return False
    return timedelta(minutes=attempt) if attempt > 1 else True


@worker(max_retries=5, backoff=lambda attempt: 2.0 * attempt, retry_on=ConnectionError)
async def fetch(page: str) -> None:
    """With a failure policy."""


@worker(retry_on=[ConnectionError, TimeoutError, SystemExit], keep_result=True)
async def measure(ctx: JobContext, page: str) -> int:
    """With a failure policy, a context and a result."""
    return len(page)


worker(max_retries=None, backoff=None, retry_on=None)(digest.handler)
worker(backoff=IMMEDIATE, retry_on=decide)(digest.handler)
worker(backoff=Exponential(base=1.0), retry_on=(OSError,))(digest.handler)
worker(retry_on=lambda error, attempt: isinstance(error, OSError) and attempt < 3)
ScheduledJob(digest, every(hours=1), max_retries=None, backoff=None)
ScheduledJob(digest, every(hours=1), max_retries=1, backoff=IMMEDIATE)
ScheduledJob(digest, every(hours=1), backoff=lambda attempt: timedelta(seconds=attempt))


async def calls(bg: BgJobs) -> None:
    assert_type(fetch.request("/"), JobRequest[NotKept])
    assert_type(measure.request("/"), JobRequest[int])
    assert_type(fetch.max_retries, int | None)
    assert_type(fetch.backoff, Backoff | None)
    assert_type(send.request("a"), JobRequest[NotKept])
    assert_type(send.request("a", 2, urgent=True), JobRequest[NotKept])
    assert_type(send.request(to="a", copies=2), JobRequest[NotKept])
    assert_type(tell.request("a"), JobRequest[NotKept])
    assert_type(tell.request(to="a"), JobRequest[NotKept])
    assert_type(purge.request("a", "b", days=3), JobRequest[NotKept])
    assert_type(digest.request(), JobRequest[NotKept])

    assert_type(add(1, right=2), Any)
    await send("a")
    assert_type(await digest(), Any)
    assert_type(purge.name, str)
    assert_type(purge.timeout, float | None)
    assert_type(count, Worker[[], NotKept])

    await bg.enqueue(send.request("a").available_in(minutes=5).priority(-1).unique("a"))
    assert_type(await bg.enqueue(send.request("a")), Job[NotKept])
    await bg.enqueue(tell.request("a").available_at(datetime(2030, 1, 1, tzinfo=UTC)))


def write(connection: sqlite3.Connection) -> None:
    """What is given to `complete_with`."""


@worker
async def effect(ctx: JobContext) -> None:
    """Pass a function, and a lambda that returns a cursor."""
    ctx.complete_with(write)
    ctx.complete_with(lambda connection: connection.execute("insert into sent values (1)"))
    ctx.complete_with(partial(write))


def hear(event: Event) -> None:
    """A plain listener."""


async def hear_later(event: Event) -> None:
    """An async one."""


queue = Queue("all", workers=[send, tell, add], listeners=[hear, hear_later])
named: list[AnyWorker] = [send, tell]
in_words: list[Worker[..., Any]] = [*named, add]
as_tuple = (send, tell, add)
several = [
    Queue("named", workers=named),
    Queue("words", workers=in_words),
    Queue("tuple", workers=as_tuple),
    Queue("more", workers=[*as_tuple, purge]),
    Queue("iterated", workers=(one for one in as_tuple)),
]
config = Config(
    store=SQLiteStore("app.db"),
    queues=(one for one in [queue]),
    enqueue_only={purge},
    listeners=(hear,),
)
assert_type(queue.workers, Sequence[AnyWorker])
assert_type(config.queues, Sequence[Queue])


async def reads(client: Client, some: State) -> None:
    """The state of a filter says of which type the jobs are."""
    live = await client.list(JobFilter("waiting", name="send"))
    assert_type(live, Listing[Job])
    assert_type(await client.list(JobFilter("delayed")), Listing[Job])
    assert_type(await client.list(JobFilter("running", queue="all")), Listing[Job])
    assert_type(await client.list(JobFilter("succeeded"), Page(10)), Listing[SucceededJob])
    assert_type(await client.list(JobFilter("failed", search="x")), Listing[FailedJob])
    [cancelled] = await client.list(JobFilter("cancelled"))
    assert_type(cancelled, CancelledJob)
    assert_type((cancelled.reason, cancelled.cancelled_by), tuple[str, str | None])
    assert_type(cancelled.cancelled_at, datetime)
    assert_type(await client.list(JobFilter("unreadable")), Listing[UnreadableJob])
    assert_type(await client.list(JobFilter(some)), Listing[Any])
    assert_type(live.after, Cursor | None)
    assert_type(await client.timeline(cancelled), Sequence[TimelineEntry])
    assert_type(await client.count(["send"], at_most=None), Counts)
    found = await client.find(cancelled.id)
    if found is not None and found.state == "cancelled":
        assert_type(found, CancelledJob)


async def operations(admin: Admin) -> None:
    """Each change of all jobs takes filters of its own states."""
    failed, cancelled = JobFilter("failed", name="send"), JobFilter("cancelled")
    assert_type(await admin.retry_all(failed, by="ann"), int)
    await admin.retry_all(cancelled, progress=print)
    await admin.cancel_all(JobFilter("waiting"), reason="no")
    await admin.cancel_all(JobFilter("delayed", metadata={"shop": "x"}), reason="no", by="ann")
    lines = [line async for line in admin.export_failed(failed)]
    assert_type(lines, list[str])


async def ended(client: Client, job: Job) -> None:
    """A job that has ended is of one of three types, which its state tells apart."""
    end = await client.wait_for(job)
    assert_type(end, SucceededJob | FailedJob | CancelledJob)
    match end.state:
        case "succeeded":
            assert_type(end, SucceededJob)
        case "failed":
            assert_type(end, FailedJob)
        case "cancelled":
            assert_type(end, CancelledJob)
    for entry in end.history:
        if isinstance(entry, PastReservation):
            assert_type((entry.queue, entry.node), tuple[str, str])
        else:
            assert_type(entry, PastEnd)


async def connected() -> None:
    """A client has no queues; an application is a client that has them."""
    async with connect(config) as client:
        assert_type(client, Client)
        await reads(client, "failed")
        await operations(client.admin)
    async with run(config) as bg:
        assert_type(bg, BgJobs)
        await reads(bg, "failed")
