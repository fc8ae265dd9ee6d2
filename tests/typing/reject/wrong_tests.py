"""Wrong uses of the testing kit: each marked line must be an error to mypy and to pyright."""

from bgjobs import BgJobs, Store, worker
from bgjobs.testing import assert_enqueued as has
from bgjobs.testing import run_one


@worker
async def send(to: str) -> None: ...


def is_large(number: int) -> bool:
    return number > 5


def of_store(store: Store) -> None:
    has(store, send, matching=is_large)  # E: arg-type | reportArgumentType
    has(store, send, count="2")  # E: call-overload | reportArgumentType, reportCallIssue
    has("jobs.db", send)  # E: call-overload | reportArgumentType, reportCallIssue


async def of_handler(bg: BgJobs) -> None:
    await run_one(send, send)  # E: arg-type | reportArgumentType
    await run_one(send, send.request(5))  # E: arg-type | reportArgumentType
