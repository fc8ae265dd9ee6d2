"""Wrong calls: each marked line must be an error to mypy and to pyright, no other line."""

from collections.abc import Iterator
from sqlite3 import Connection

from bgjobs import BgJobs, Config, JobContext, Queue, SQLiteStore, worker


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
    await bg.enqueue(send("a"))  # E: arg-type | reportArgumentType
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
