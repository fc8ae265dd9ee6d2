"""Right calls: checked by mypy and pyright, never run."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, assert_type

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
    SQLiteStore,
    State,
    SucceededJob,
    TimelineEntry,
    UnreadableJob,
    connect,
    run,
    worker,
)
from bgjobs._core.config import AnyWorker
from bgjobs._core.workers import Worker


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


async def calls(bg: BgJobs) -> None:
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
