"""Wrong middleware: each marked line must be an error to mypy and to pyright, no other line."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from bgjobs import Config, Job, JobContext, Queue, SQLiteStore, worker
from bgjobs.testing import run_one


@asynccontextmanager
async def log(job: Job, context: JobContext) -> AsyncGenerator[None]:
    yield


async def undecorated(job: Job, context: JobContext) -> AsyncGenerator[None]:
    yield


@contextmanager
def synchronous(job: Job, context: JobContext) -> Generator[None]:
    yield


async def deferred(job: Job, context: JobContext) -> None: ...


@asynccontextmanager
async def of_a_job(job: Job) -> AsyncGenerator[None]:
    yield


@asynccontextmanager
async def of_a_name(name: str, context: JobContext) -> AsyncGenerator[None]:
    yield


@worker
async def send(to: str) -> None: ...


store = SQLiteStore("a.db")

Queue("mail", workers=[send], middleware=[undecorated])  # E: list-item | reportArgumentType
Queue("mail", workers=[send], middleware=[synchronous])  # E: list-item | reportArgumentType
Queue("mail", workers=[send], middleware=[deferred])  # E: list-item | reportArgumentType
Queue("mail", workers=[send], middleware=[of_a_job])  # E: list-item | reportArgumentType
Queue("mail", workers=[send], middleware=[of_a_name])  # E: list-item | reportArgumentType
Queue("mail", workers=[send], middleware=[send])  # E: list-item | reportArgumentType
Queue("mail", workers=[send], middleware=log)  # E: arg-type | reportArgumentType
Config(store=store, middleware=[log, undecorated])  # E: list-item | reportArgumentType
Config(store=store, middleware=["log"])  # E: list-item | reportArgumentType
Config(store=store, middleware=[print])  # E: list-item | reportArgumentType


async def tested() -> None:
    request = send.request("ada")
    await run_one(send, request, middleware=[of_a_job])  # E: list-item | reportArgumentType
    await run_one(send, request, middleware=log)  # E: arg-type | reportArgumentType
