"""Lifespans, resources and clients of handlers, used rightly: checked, never run."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, Protocol, TypedDict, TypeVar, assert_type

import anyio.from_thread

from bgjobs import (
    Admin,
    Client,
    Config,
    Job,
    JobContext,
    JobRequest,
    NotKept,
    Queue,
    SQLiteStore,
    SucceededJob,
    worker,
)
from bgjobs.testing import check_repeatable, run_one

T = TypeVar("T")


class Pool:
    async def fetch(self, query: str) -> int:
        return len(query)


class Fetches(Protocol):
    async def fetch(self, query: str) -> int: ...


class Box(Generic[T]):
    def __init__(self, inside: T) -> None:
        self.inside = inside


class Settings(TypedDict):
    pool: Pool


@worker
async def send(to: str) -> None: ...


@worker
async def pooled(context: JobContext[Pool], query: str) -> int:
    assert_type(context.resources, Pool)
    assert_type(context.client, Client)
    assert_type(context.client.admin, Admin)
    job = await context.client.enqueue(send.request("ada"))
    assert_type(job, Job[NotKept])
    ended = await context.client.wait_for(job)
    if ended.state == "succeeded":
        assert_type(ended, SucceededJob[NotKept])
    return await context.resources.fetch(query)


@worker
def threaded(context: JobContext[Pool]) -> None:
    assert_type(anyio.from_thread.run(context.resources.fetch, "x"), int)
    anyio.from_thread.run(context.client.enqueue, send.request("ada"))


@worker
async def of_protocol(context: JobContext[Fetches]) -> None:
    assert_type(await context.resources.fetch("x"), int)


@worker
async def of_generic(context: JobContext[Box[int]] | None) -> None:
    if context is not None:
        assert_type(context.resources.inside, int)


@worker
async def of_keys(context: JobContext[Settings]) -> None:
    assert_type(context.resources["pool"], Pool)


@worker
async def bare(context: JobContext) -> None:
    assert_type(context.resources, object)


@worker
async def anything(context: JobContext[Any]) -> None:
    assert_type(context.resources, Any)


assert_type(pooled.request("x"), JobRequest[NotKept])


@asynccontextmanager
async def open_pool(client: Client) -> AsyncGenerator[Pool]:
    await client.enqueue(send.request("ada"))
    yield Pool()


class OpenPool:
    def __init__(self, client: Client) -> None: ...

    async def __aenter__(self) -> Pool:
        return Pool()

    async def __aexit__(self, *_: object) -> None: ...


def plain(client: Client) -> AbstractAsyncContextManager[Pool]:
    return open_pool(client)


queue = Queue("all", workers=[send, pooled, threaded, of_protocol, of_generic, bare])
for lifespan in (open_pool, plain):
    Config(store=SQLiteStore("app.db"), queues=[queue], lifespan=lifespan)
Config(store=SQLiteStore("app.db"), queues=[queue], lifespan=OpenPool)
Config(store=SQLiteStore("app.db"), queues=[queue], lifespan=None)


def reads(context: JobContext[object]) -> None:
    """It can take any context, since resources are only read."""


async def in_tests(job: Job, client: Client) -> None:
    """Contexts that are made by hand."""
    context = JobContext(job, resources=Pool())
    assert_type(context, JobContext[Pool])
    reads(context)
    await pooled.handler(context, "x")
    assert_type(JobContext(job, client=client).client, Client)
    bare_context: JobContext = JobContext(job)
    assert_type(bare_context.resources, object)
    await run_one(pooled, pooled.request("x"), resources=Pool())
    await check_repeatable(
        pooled, pooled.request("x"), effects=list[int], reset=list[int], resources=Pool()
    )
