"""Wrong uses of resources and clients: each marked line must be an error, no other line."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from bgjobs import Client, Config, Job, JobContext, SQLiteStore, worker
from bgjobs.testing import run_one


class Pool:
    async def fetch(self, query: str) -> int:
        return len(query)


@worker
async def send(to: str) -> None: ...


@worker
async def pooled(context: JobContext[Pool], query: str) -> None:
    pool, client = context.resources, context.client
    pool.close()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
    context.resources = Pool()  # E: misc | reportAttributeAccessIssue
    await pool.fetch(5)  # E: arg-type | reportArgumentType
    await client.enqueue(send)  # E: arg-type | reportArgumentType
    await client.enqueue(send.request(5))  # E: arg-type | reportArgumentType
    client.drain()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
    context.client = None  # E: misc, assignment | reportAttributeAccessIssue


@worker
async def bare(context: JobContext) -> None:
    found = context.resources
    found.fetch()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType


def of_pool(context: JobContext[Pool]) -> None: ...


def by_hand(job: Job, other: JobContext[int]) -> None:
    of_pool(JobContext(job, resources=5))  # E: arg-type | reportArgumentType
    of_pool(other)  # E: arg-type | reportArgumentType
    JobContext(job, resource=5)  # E: call-arg | reportCallIssue
    JobContext(job, client=5)  # E: arg-type | reportArgumentType


pooled.request(Pool(), "x")  # E: call-arg, arg-type | reportCallIssue


@asynccontextmanager
async def open_pool(client: Client) -> AsyncGenerator[Pool]:
    yield Pool()


@asynccontextmanager
async def of_nothing() -> AsyncGenerator[Pool]:
    yield Pool()


@contextmanager
def blocking(client: Client) -> Generator[Pool]:
    yield Pool()


async def undecorated(client: Client) -> AsyncGenerator[Pool]:
    yield Pool()


async def awaited(client: Client) -> Pool:
    return Pool()


store = SQLiteStore("a.db")


async def called(client: Client) -> None:
    Config(store=store, lifespan=open_pool(client))  # E: arg-type | reportArgumentType


Config(store=store, lifespan=of_nothing)  # E: arg-type | reportArgumentType
Config(store=store, lifespan=blocking)  # E: arg-type | reportArgumentType
Config(store=store, lifespan=undecorated)  # E: arg-type | reportArgumentType
Config(store=store, lifespan=awaited)  # E: arg-type | reportArgumentType
Config(store=store, lifespan=Pool())  # E: arg-type | reportArgumentType


async def tested() -> None:
    await run_one(pooled, pooled.request("x"), resource=Pool())  # E: call-arg | reportCallIssue
