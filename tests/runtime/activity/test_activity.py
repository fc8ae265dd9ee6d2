"""What the queues did, as a client reads it."""

import os
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import QueueError, StoreFailed
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.queues.one_slot import NotAnException, restarts

pytestmark = pytest.mark.anyio
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@bgjobs.worker
async def send(outcome: str) -> None:
    if outcome == "fail":
        raise bgjobs.Discard("no")
    if outcome == "retry":
        raise ValueError("again")


@bgjobs.worker
async def idle() -> None:
    """Run for no time."""


async def run_all(config: bgjobs.Config, *outcomes: str) -> None:
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([send.request(one) for one in outcomes])
        await bg.enqueue(idle.request())
        await bg.drain()


def ends(found: bgjobs.Activity) -> tuple[int, int, int, int]:
    return found.succeeded, found.failed, found.retried, found.cancelled


def faulty_operations(app: Harness) -> tuple[bgjobs.Store, FaultyStore]:
    """Return a store, and its operations, which fail on demand."""
    store: Any = app.database.store()
    operations = FaultyStore(store.operations)
    faulty: Any = Wrapped(store, operations=operations)
    return faulty, operations


async def summed(client: bgjobs.Client, **options: Any) -> Counter[str]:
    """Return the ends of all workers by kind; a test may run across the end of a minute."""
    counts: Counter[str] = Counter()
    for one in await client.activity(**options):
        kinds = ("succeeded", "failed", "retried", "cancelled")
        counts.update({f"{one.worker} {kind}": getattr(one, kind) for kind in kinds})
    return +counts


async def test_each_end_of_a_run_is_counted(app: Harness) -> None:
    """When the application has ended, the counts are complete."""
    config = app.config(send, idle, queue={"max_retries": 2})
    await run_all(config, "succeed", "succeed", "fail", "retry")
    async with bgjobs.connect(app.config(send, idle)) as client:
        assert await summed(client) == {
            "send succeeded": 2,
            "send failed": 2,
            "send retried": 2,
            "idle succeeded": 1,
        }
        assert await summed(client, names=["idle"]) == {"idle succeeded": 1}
        found = await client.activity(step=timedelta(days=1))
        assert sum(sum(one.durations) for one in found) == 7
        assert await client.admin.processes() == []


async def test_counts_of_several_processes_and_starts_are_added_up(app: Harness) -> None:
    for _ in range(3):
        await run_all(app.config(send, idle), "succeed")
    async with bgjobs.connect(app.config(send)) as client:
        assert await summed(client) == {"send succeeded": 3, "idle succeeded": 3}


async def test_a_running_process_writes_and_reports_itself(app: Harness) -> None:
    config = app.config(send, idle, lease=0.4)
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(send.request("succeed")))
        with anyio.fail_after(30):
            while not (found := await bg.admin.processes()):
                await anyio.sleep(0.01)
            while not await bg.activity():
                await anyio.sleep(0.01)
    [process] = found
    assert re.fullmatch(r"3\.\d+\.\d+\S*", process.python)
    assert process.version == bgjobs.__version__
    assert process.node.endswith(f":{os.getpid()}")


async def test_its_failure_affects_no_job_and_no_lease(app: Harness) -> None:
    """The counts are written later, once each."""
    store, operations = faulty_operations(app)
    operations.faults["record_activity"] = [StoreUnavailableError("away")] * 3
    async with bgjobs.run(app.config(send, idle, store=store, lease=0.4)) as bg:
        await bg.wait_for(await bg.enqueue(send.request("succeed")))
        with anyio.fail_after(30):
            while operations.faults["record_activity"]:
                await anyio.sleep(0.01)
        await bg.wait_for(await bg.enqueue(send.request("succeed")))
    failed = [one for one in app.recorder.of(StoreFailed) if one.verb == "record_activity"]
    assert len(failed) == 3
    assert not app.recorder.of(QueueError)
    async with bgjobs.connect(app.config(send)) as client:
        assert await summed(client) == {"send succeeded": 2}


async def test_a_lost_answer_counts_nothing_twice(app: Harness) -> None:
    store, operations = faulty_operations(app)

    def lose() -> None:
        raise StoreUnavailableError("the answer is lost")

    async with bgjobs.run(app.config(send, idle, store=store, lease=0.4)) as bg:
        operations.hooks["record_activity"] = lose
        await bg.wait_for(await bg.enqueue(send.request("succeed")))
        with anyio.fail_after(30):
            while "record_activity" in operations.hooks:
                await anyio.sleep(0.01)
    async with bgjobs.connect(app.config(send)) as client:
        assert await summed(client) == {"send succeeded": 1}


async def test_a_job_that_the_monitor_ends_is_counted(app: Harness) -> None:
    """The process that ends such a job counts it; the job has no duration."""

    @bgjobs.worker(name="send")
    async def crash(outcome: str) -> None:
        raise NotAnException(outcome)

    config = app.config(crash, limits=bgjobs.Limits(max_crashes=0), **restarts())
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(crash.request("now")))
    async with bgjobs.connect(app.config(crash)) as client:
        [found] = await client.activity()
    assert (ends(found), sum(found.durations)) == ((0, 1, 0, 0), 0)


async def test_an_application_without_queues_writes_nothing(app: Harness) -> None:
    store, operations = faulty_operations(app)
    config = app.config(store=store, queues=[], enqueue_only=[send])
    async with bgjobs.run(config) as bg:
        await bg.enqueue(send.request("later"))
    assert operations.calls == []


async def test_a_store_without_operations_has_no_activity(app: Harness) -> None:
    class Plain(FaultyStore):
        operations = None

    async with bgjobs.run(app.config(send, store=Plain(app.database.store()))) as bg:
        await bg.wait_for(await bg.enqueue(send.request("succeed")))
        with pytest.raises(StoreError, match="expected a store with operations, found none"):
            await bg.activity()


@pytest.mark.parametrize(
    ("last", "step", "text"),
    [
        (
            HOUR,
            timedelta(seconds=90),
            "step: expected whole minutes up to a day, found 0:01:30",
        ),
        (HOUR, timedelta(0), "step: expected whole minutes up to a day, found 0:00:00"),
        (HOUR, timedelta(days=2), "step: expected whole minutes up to a day, found 2 days"),
        (timedelta(seconds=1), MINUTE, "last: expected a minute or more, found 0:00:01"),
        (timedelta(days=7), MINUTE, "expected at most 10,000 steps, found 10,080"),
        (-HOUR, MINUTE, "last: expected 0 seconds or more"),
    ],
)
async def test_what_is_no_such_time_is_refused(
    sqlite_app: Harness, last: timedelta, step: timedelta, text: str
) -> None:
    sqlite_app.migrate()
    async with bgjobs.connect(sqlite_app.config(send)) as client:
        with pytest.raises(ValueError, match=f"^activity: {re.escape(text)}"):
            await client.activity(last, step)
