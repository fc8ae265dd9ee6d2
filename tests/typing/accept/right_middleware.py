"""Right middleware: checked by mypy and pyright, never run."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any, Self, assert_type

from bgjobs import Config, Job, JobContext, Middleware, Queue, SQLiteStore, worker
from bgjobs.testing import run_one


class Pool:
    """Resources of an application."""


@asynccontextmanager
async def log(job: Job, context: JobContext) -> AsyncGenerator[None]:
    """A decorated async generator function."""
    yield


@asynccontextmanager
async def session(job: Job, context: JobContext[Any]) -> AsyncGenerator[str]:
    """One that yields a value, which is not used."""
    yield job.name


@asynccontextmanager
async def with_pool(job: Job, context: JobContext[Pool]) -> AsyncGenerator[None]:
    """One that names the resources of its context."""
    yield


@asynccontextmanager
async def limited(most: int, job: Job, context: JobContext) -> AsyncGenerator[None]:
    """One with a setting of its own."""
    yield


def chosen(job: Job, context: JobContext) -> AbstractAsyncContextManager[object]:
    """A plain function that returns one of several."""
    return log(job, context) if job.attempts else nullcontext()


class Timed:
    """A class whose instances are entered."""

    def __init__(self, job: Job, context: JobContext) -> None:
        """Keep what is needed."""

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""


class Reporting:
    """An object that makes context managers."""

    @asynccontextmanager
    async def __call__(self, job: Job, context: JobContext) -> AsyncGenerator[None]:
        """Return one of them."""
        yield


@worker
def add(left: int, right: int) -> int:
    """A worker."""
    return left + right


one: Middleware = log
several: list[Middleware] = [log, session, with_pool, partial(limited, 5), chosen]
queue = Queue("all", workers=[add], middleware=[log, Timed, Reporting(), with_pool])
config = Config(
    store=SQLiteStore("app.db"),
    queues=[queue, Queue("more", workers=[add], middleware=several)],
    middleware=(one for one in (log, partial(limited, 5))),
)
assert_type(config.middleware, Sequence[Middleware])
assert_type(queue.middleware, Sequence[Middleware])


async def tested() -> None:
    """The testing kit takes the same."""
    await run_one(add, add.request(1, 2), middleware=[log, session])
    await run_one(add, add.request(1, 2), middleware=config.middleware)
