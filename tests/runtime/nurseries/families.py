"""Workers whose handlers open nurseries, and what tests see of their children."""

from collections.abc import Callable
from typing import Any

import anyio

import bgjobs
from bgjobs.stores.nurseries import Nurseries, StoredChild, nurseries_of
from tests.runtime.conftest import Harness

ONE_TRY: dict[str, Any] = {"max_retries": 0}
ONE_SLOT: dict[str, Any] = {"concurrency": 1, "max_retries": 0}


@bgjobs.worker(keep_result=True)
async def double(number: int) -> int:
    return 2 * number


@bgjobs.worker
async def fail(text: str) -> None:
    raise ValueError(text)


@bgjobs.worker
async def sleep() -> None:
    """Run until cancelled."""
    await anyio.sleep_forever()


@bgjobs.worker(keep_result=True)
async def fibonacci(context: bgjobs.JobContext, number: int) -> int:
    if number < 2:
        return number
    async with context.open_nursery() as nursery:
        one = await nursery.enqueue(fibonacci.request(number - 1))
        two = await nursery.enqueue(fibonacci.request(number - 2))
    return one.result + two.result


class Log(list[str]):
    """What handlers have done, in order."""

    def has(self, text: str) -> Callable[[], bool]:
        return lambda: text in self


def nurseries(store: bgjobs.Store) -> Nurseries:
    found = nurseries_of(store)
    assert found is not None
    return found


def children_of(app: Harness, parent: bgjobs.AnyJob) -> list[StoredChild]:
    with app.opened() as store:
        return [*nurseries(store).children([parent.id])]


def states_of(app: Harness, parent: bgjobs.AnyJob) -> list[str]:
    """Return the states of the children of a job, in the order of their ids."""
    return [
        "gone" if child.job is None else child.job.state for child in children_of(app, parent)
    ]
