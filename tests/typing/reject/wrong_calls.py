"""Wrong calls: each marked line must be an error to mypy and to pyright, no other line."""

from collections.abc import Iterator
from sqlite3 import Connection
from typing import Literal
from uuid import UUID

from bgjobs import (
    Admin,
    BgJobs,
    Client,
    Config,
    JobContext,
    JobFilter,
    Queue,
    ScheduledJob,
    SQLiteStore,
    connect,
    every,
    worker,
)


@worker
async def send(to: str, copies: int = 1) -> None: ...


@worker(timeout=30)
async def tell(ctx: JobContext, to: str) -> None: ...


@worker
def add(left: int, right: int) -> int:
    return left + right


async def plain(to: str) -> None: ...


worker(5)  # E: call-overload | reportArgumentType, reportCallIssue
worker(timeout="soon")  # E: call-overload | reportArgumentType

worker(max_retries="many")  # E: call-overload | reportArgumentType
worker(max_retries=2.5)  # E: call-overload | reportArgumentType
worker(backoff=5)  # E: call-overload | reportArgumentType
worker(backoff="slow")  # E: call-overload | reportArgumentType
worker(backoff=lambda: 5)  # E: arg-type | reportArgumentType
worker(retry_on=5)  # E: call-overload | reportArgumentType
worker(retry_on="OSError")  # E: arg-type | reportArgumentType
worker(retry_on=int)  # E: arg-type | reportArgumentType
worker(retry_on=[OSError, int])  # E: list-item | reportArgumentType
worker(retry_on=KeyboardInterrupt)  # E: arg-type | reportArgumentType
worker(retry_on=OSError())  # E: call-overload | reportArgumentType
worker(retry_on={OSError})  # E: call-overload | reportArgumentType
worker(retry_on=lambda error: True)  # E: arg-type | reportArgumentType
worker(retry_on=lambda error, attempt: 5)  # E: arg-type | reportArgumentType
worker(retry_on=lambda error, attempt: None)  # E: arg-type | reportArgumentType


async def choose_later(error: BaseException, attempt: int) -> bool:
    return True


def choose_narrowly(error: OSError, attempt: int) -> bool:
    return True


worker(retry_on=choose_later)  # E: arg-type | reportArgumentType
worker(retry_on=choose_narrowly)  # E: arg-type | reportArgumentType
ScheduledJob(add, every(days=1), max_retries="many")  # E: arg-type | reportArgumentType
ScheduledJob(add, every(days=1), backoff=5)  # E: arg-type | reportArgumentType

send.request(5)  # E: arg-type | reportArgumentType
send.request()  # E: call-arg | reportCallIssue
send.request("a", 2, 3)  # E: call-arg | reportCallIssue
send.request(whom="a")  # E: call-arg | reportCallIssue
send.request("a", copies="2")  # E: arg-type | reportArgumentType
tell.request(5)  # E: arg-type | reportArgumentType
tell.request("a", "b")  # E: call-arg | reportCallIssue
add.request(1, "2")  # E: arg-type | reportArgumentType
add("1", 2)  # E: arg-type | reportArgumentType
add(1)  # E: call-arg | reportCallIssue
plain.request("a")  # E: attr-defined | reportFunctionMemberAccess
send.timeout = 5  # E: misc | reportAttributeAccessIssue

Queue("mail", workers=[plain])  # E: list-item | reportArgumentType
Queue("mail", workers=send)  # E: arg-type | reportArgumentType
Queue("mail", workers=[send], listeners=[print, 5])  # E: list-item | reportArgumentType
Config(store=SQLiteStore("a.db"), queues=[send])  # E: list-item | reportArgumentType
Config(store=SQLiteStore("a.db"), scheduled_jobs=[send])  # E: list-item | reportArgumentType
Config(store=SQLiteStore("a.db"), enqueue_only=["send"])  # E: list-item | reportArgumentType


async def enqueued(bg: BgJobs) -> None:
    await bg.enqueue(send)  # E: arg-type | reportArgumentType
    await bg.enqueue("send")  # E: arg-type | reportArgumentType
    await bg.enqueue(send.request)  # E: arg-type | reportArgumentType
    request = send.request("a")
    await bg.enqueue(request.priority("high"))  # E: arg-type | reportArgumentType
    await bg.enqueue(request.available_at("tomorrow"))  # E: arg-type | reportArgumentType
    await bg.enqueue(request.available_in(days="1"))  # E: arg-type | reportArgumentType


async def write(connection: Connection) -> None: ...


def write_lazily(connection: Connection) -> Iterator[None]:
    yield


@worker
async def effect(ctx: JobContext) -> None:
    ctx.complete_with(write)  # E: arg-type | reportArgumentType
    ctx.complete_with(write_lazily)  # E: arg-type | reportArgumentType
    ctx.complete_with(lambda _: write(Connection("a.db")))  # E: arg-type | reportArgumentType
    ctx.complete_with(None)  # E: arg-type | reportArgumentType


JobFilter("finished")  # E: type-var | reportArgumentType
JobFilter("failed", "send")  # E: call-arg | reportCallIssue
JobFilter("failed", name=send)  # E: arg-type | reportArgumentType
JobFilter("failed", owner="x")  # E: arg-type | reportArgumentType
JobFilter("failed", before="now")  # E: arg-type | reportArgumentType


async def reads(bg: Client, some: JobFilter[Literal["waiting", "running"]]) -> None:
    await bg.list("failed")  # E: call-overload | reportArgumentType, reportCallIssue
    await bg.list(some, 5)  # E: call-overload | reportArgumentType, reportCallIssue
    [job] = await bg.list(JobFilter("cancelled"))
    assert job.error  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
    [other] = await bg.list(JobFilter("failed"))
    assert other.reason  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
    [live] = await bg.list(JobFilter("waiting"))
    assert live.error  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
    [row] = await bg.list(JobFilter("unreadable"))
    await bg.timeline(row)  # E: arg-type | reportArgumentType
    await bg.drain()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType


async def operations(admin: Admin, some: JobFilter[Literal["running"]]) -> None:
    await admin.retry_all(JobFilter("waiting"))  # E: arg-type | reportArgumentType
    await admin.retry_all("failed")  # E: arg-type | reportArgumentType
    await admin.cancel_all(some, reason="no")  # E: arg-type | reportArgumentType
    await admin.cancel_all(JobFilter("waiting"))  # E: call-arg | reportCallIssue
    admin.export_failed(JobFilter("cancelled"))  # E: arg-type | reportArgumentType


async def connected() -> None:
    async with connect(SQLiteStore("a.db")) as client:  # E: arg-type | reportArgumentType
        client.stop()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType


@worker(keep_result=True)
async def total(part: int) -> int:
    return part


worker(keep_result="yes")  # E: call-overload | reportArgumentType, reportCallIssue


def read(text: str) -> None: ...


async def results(client: Client, some_id: UUID) -> None:
    number = await client.result(await client.enqueue(total.request(1)))
    read(number)  # E: arg-type | reportArgumentType
    kept = await client.result(await client.enqueue(send.request("a")))
    read(kept)  # E: arg-type | reportArgumentType
    await client.result(some_id)  # E: call-overload | reportArgumentType
    await client.result(total)  # E: call-overload | reportArgumentType
    await client.find(some_id, worker=1)  # E: call-overload | reportArgumentType
    found = await client.find(some_id, worker=total)
    if found is not None and found.state == "succeeded":
        read(found.result)  # E: arg-type | reportArgumentType
