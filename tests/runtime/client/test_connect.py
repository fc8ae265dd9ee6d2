"""A client of `bgjobs.connect`: what it does without queues, and what it does not start."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import anyio
import pytest

import bgjobs
from bgjobs import every
from bgjobs.errors import NotRunningError, NoWorkerForJobError
from bgjobs.events import Event, JobEnqueued, QueueStarted, StoreCalled
from bgjobs.stores.pages import Page
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def double(number: int) -> None: ...


@bgjobs.worker
async def unknown() -> None: ...


async def test_a_client_enqueues_waits_and_reads_beside_an_application(app: Harness) -> None:
    async with (
        bgjobs.run(app.config(double)),
        bgjobs.connect(app.config(double)) as client,
        client.events() as events,
    ):
        job = await client.enqueue(double.request(1))
        with anyio.fail_after(30):
            ended = await client.wait_for(job)  # it polls, as it follows no changes
        assert isinstance(ended, bgjobs.SucceededJob)
        assert await client.find(job.id) == ended
        assert [
            one.id for one in await client.list(bgjobs.JobFilter("succeeded", name="double"))
        ] == [job.id]
        assert await unreserved(client) == []
        assert await client.list(bgjobs.JobFilter("running"), Page(1)) == []
        assert (await client.count(["double"])).succeeded == 1
        assert isinstance(await anext(aiter(events)), Event)
    assert [one.job.id for one in app.recorder.of(JobEnqueued)] == [job.id]


async def test_a_client_wakes_the_queues_of_other_processes(app: Harness) -> None:
    slow = app.config(double, queue={"poll_interval": 3600.0})
    async with bgjobs.run(slow) as bg, bgjobs.connect(app.config(double)) as client:
        await app.recorder.wait_for(QueueStarted)
        await bg.drain()
        with anyio.fail_after(30):
            for number in range(3):
                await client.wait_for(await client.enqueue(double.request(number)))


async def test_a_client_starts_nothing_that_runs_jobs(app: Harness) -> None:
    async with bgjobs.run(app.config(double)):
        pass
    short: dict[str, Any] = {
        "lease": 3.0,
        "heartbeat_interval": 0.05,
        "sweep_interval": 0.05,
        "retention": bgjobs.Retention(interval=0.05),
        "scheduled_jobs": [bgjobs.ScheduledJob(unknown, every(seconds=1))],
    }
    called: list[str] = []

    def record(event: Event) -> None:
        if isinstance(event, StoreCalled):
            called.append(event.verb)

    config = app.config(double, listeners=[record], **short)
    before = set(threading.enumerate())
    async with bgjobs.connect(config):
        await anyio.sleep(0.5)
        added = {thread.name for thread in set(threading.enumerate()) - before}
        assert not {name for name in added if not name.startswith(STORE_THREADS)}
    assert called == ["open", "check_schema", "heartbeat", "close"]


STORE_THREADS = ("bgjobs-store", "bgjobs-deadlines", "pool-")
ID = UUID(int=1)
CALLS: dict[str, Callable[[bgjobs.Client], Any]] = {
    "enqueue": lambda client: client.enqueue(double.request(1)),
    "enqueue_many": lambda client: client.enqueue_many([]),
    "find": lambda client: client.find(ID),
    "waiting": lambda client: client.list(bgjobs.JobFilter("waiting")),
    "unreadable": lambda client: client.list(bgjobs.JobFilter("unreadable")),
    "running": lambda client: client.list(bgjobs.JobFilter("running")),
    "succeeded": lambda client: client.list(bgjobs.JobFilter("succeeded")),
    "failed": lambda client: client.list(bgjobs.JobFilter("failed")),
    "count": lambda client: client.count(),
    "wait_for": lambda client: client.wait_for(ID),
    "events": lambda client: client.events(),
    "admin.retry": lambda client: client.admin.retry(),
    "admin.schedules": lambda client: client.admin.schedules(),
    "admin.schedule": lambda client: client.admin.schedule("x").pause(),
    "admin.trigger": lambda client: client.admin.schedule("x").trigger(),
    "admin.occurrence": lambda client: client.admin.schedule("x").occurrence(),
    "admin.replace": lambda client: client.admin.schedule("x").replace(every(days=1)),
}


@pytest.mark.parametrize("name", CALLS)
async def test_after_its_block_a_client_is_not_running(sqlite_app: Harness, name: str) -> None:
    async with bgjobs.run(sqlite_app.config(double)):
        pass
    async with bgjobs.connect(sqlite_app.config(double)) as client:
        pass
    with pytest.raises(NotRunningError):
        answer = CALLS[name](client)
        await answer


async def test_a_client_enqueues_known_workers_only(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(double)):
        pass
    async with bgjobs.connect(sqlite_app.config(double)) as client:
        with pytest.raises(NoWorkerForJobError, match="'unknown'"):
            await client.enqueue(unknown.request())


async def test_an_error_of_the_block_is_raised_unchanged(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(double)):
        pass
    with pytest.raises(ValueError, match="mine"):
        async with bgjobs.connect(sqlite_app.config(double)):
            raise ValueError("mine")
