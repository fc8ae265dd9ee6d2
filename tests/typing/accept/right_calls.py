"""Right calls: checked by mypy and pyright, never run."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, assert_type

from bgjobs import (
    BgJobs,
    Config,
    Event,
    Job,
    JobContext,
    JobRequest,
    Queue,
    SQLiteStore,
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


assert_type(perhaps.request("ada"), JobRequest)


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
    assert_type(send.request("a"), JobRequest)
    assert_type(send.request("a", 2, urgent=True), JobRequest)
    assert_type(send.request(to="a", copies=2), JobRequest)
    assert_type(tell.request("a"), JobRequest)
    assert_type(tell.request(to="a"), JobRequest)
    assert_type(purge.request("a", "b", days=3), JobRequest)
    assert_type(digest.request(), JobRequest)

    assert_type(add(1, right=2), int)
    await send("a")
    assert_type(await digest(), str)
    assert_type(purge.name, str)
    assert_type(purge.timeout, float | None)
    assert_type(count, Worker[[], int])

    await bg.enqueue(send.request("a").available_in(minutes=5).priority(-1).unique("a"))
    assert_type(await bg.enqueue(send.request("a")), Job)
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
