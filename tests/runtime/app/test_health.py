"""`BgJobs.health`: what is wrong with an application, on each event loop and each store."""

import threading
import time
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import Health
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import ChildCrashed, JobStarted, QueueStarted, StoreFailed
from bgjobs.stores.types import Owner, Renewal
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.supervision.helpers import note

pytestmark = pytest.mark.anyio

READY = Health(())
STOPPING = Health(("the application is stopping",))
NO_LEASE = Health(("a queue or a scheduled job has no lease",))
NO_HEARTBEAT = Health(("the store did not answer the last heartbeat",))
LATE = Health(("the event loop is late",))

NO_RESTART = bgjobs.RestartTolerance(backoff=bgjobs.backoff.Constant(3600))


async def becomes(bg: bgjobs.BgJobs, wanted: Health) -> None:
    """Wait until the application has this health, which no event announces."""
    while bg.health != wanted:
        await anyio.sleep(0.01)


async def test_it_is_ready_once_all_queues_and_scheduled_jobs_have_leases(app: Harness) -> None:
    hourly = bgjobs.ScheduledJob(note, bgjobs.every(hours=1), name="hourly")
    async with bgjobs.run(app.config(note, scheduled_jobs=[hourly])) as bg:
        before = bg.health
        await app.recorder.wait_for(QueueStarted, 2)
        within = bg.health
    after = bg.health

    assert (before, within, after) == (NO_LEASE, READY, STOPPING)
    assert [one.is_ready for one in (before, within, after)] == [False, True, False]


async def test_a_queue_of_the_same_name_needs_a_lease_of_its_own(sqlite_app: Harness) -> None:
    store, opened = sqlite_app.database.store(), list[str]()

    def open_owner(owner: Owner, *args: Any, **kwargs: Any) -> None:
        if owner.name in opened:
            raise StoreUnavailableError("away")
        opened.append(owner.name)
        store.open_owner(owner, *args, **kwargs)

    twin = bgjobs.ScheduledJob(note, bgjobs.every(hours=1), name="default")
    config = sqlite_app.config(
        note, store=Wrapped(store, open_owner=open_owner), scheduled_jobs=[twin]
    )
    async with bgjobs.run(config) as bg:
        await sqlite_app.recorder.wait_for(QueueStarted)
        assert bg.health == NO_LEASE


async def test_it_is_not_ready_while_the_store_is_away(app: Harness) -> None:
    store = FaultyStore(app.database.store())
    config = app.config(note, store=store, heartbeat_interval=0.1)
    async with bgjobs.run(config) as bg:
        await app.recorder.wait_for(QueueStarted)
        store.faults["heartbeat"] = [StoreUnavailableError("away")] * 100_000
        await app.recorder.wait_for(StoreFailed)
        assert bg.health == NO_HEARTBEAT
        store.faults["heartbeat"] = []
        await becomes(bg, READY)


async def test_it_is_not_ready_while_the_store_does_not_answer(sqlite_app: Harness) -> None:
    """A heartbeat hangs in its thread."""
    store, ended = sqlite_app.database.store(), threading.Event()

    def heartbeat(owners: Any, *args: Any, **kwargs: Any) -> Renewal:
        if owners:  # otherwise the application asks for the time as it starts
            ended.wait()
        return store.heartbeat(owners, *args, **kwargs)

    config = sqlite_app.config(
        note, store=Wrapped(store, heartbeat=heartbeat), heartbeat_interval=0.1
    )
    async with bgjobs.run(config) as bg:
        await sqlite_app.recorder.wait_for(QueueStarted)
        await becomes(bg, NO_HEARTBEAT)
        ended.set()


async def test_it_is_not_ready_without_the_lease_that_the_store_refused(app: Harness) -> None:
    store = app.database.store()

    def heartbeat(*args: Any, **kwargs: Any) -> Renewal:
        renewal = store.heartbeat(*args, **kwargs)
        return Renewal(frozenset(), renewal.now)

    config = app.config(
        note,
        store=Wrapped(store, heartbeat=heartbeat),
        heartbeat_interval=0.1,
        restart_tolerance=NO_RESTART,
    )
    async with bgjobs.run(config) as bg:
        await app.recorder.wait_for(ChildCrashed)
        assert bg.health == NO_LEASE


async def test_it_is_not_ready_while_handlers_finish(app: Harness) -> None:
    @bgjobs.worker
    async def long() -> None:
        await finish.wait()

    finish = anyio.Event()
    async with bgjobs.run(app.config(long)) as bg:
        await bg.enqueue(long.request())
        await app.recorder.wait_for(JobStarted)
        bg.stop()
        assert bg.health == STOPPING
        finish.set()


async def test_it_is_not_ready_while_the_loop_is_late(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(note)) as bg:
        await sqlite_app.recorder.wait_for(QueueStarted)
        time.sleep(2)  # noqa: ASYNC251 - this is what is tested
        assert bg.health == LATE
        await becomes(bg, READY)


async def test_a_paused_queue_is_ready(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(note)) as bg:
        await sqlite_app.recorder.wait_for(QueueStarted)
        bg.queue("default").pause()
        assert bg.health == READY


async def test_a_scheduled_job_that_was_removed_needs_no_lease(sqlite_app: Harness) -> None:
    hourly = bgjobs.ScheduledJob(note, bgjobs.every(hours=1), name="hourly")
    async with bgjobs.run(sqlite_app.config(note, scheduled_jobs=[hourly])) as bg:
        await sqlite_app.recorder.wait_for(QueueStarted, 2)
        await bg.remove_scheduled_job("hourly")
        await becomes(bg, READY)


async def test_it_asks_the_store_nothing(sqlite_app: Harness) -> None:
    store = FaultyStore(sqlite_app.database.store())
    async with bgjobs.run(sqlite_app.config(note, store=store)) as bg:
        await sqlite_app.recorder.wait_for(QueueStarted)
        store.away = True
        assert [bg.health for _ in range(1000)] == [READY] * 1000
