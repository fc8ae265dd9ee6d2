"""Crashed children are restarted, and one that crashes too often ends the application."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import (
    ChildCrashed,
    ChildRestarted,
    JobSucceeded,
    MonitorReleased,
    MonitorReleasing,
    OwnerDied,
    QueueStarted,
    QueueStopped,
    RestartLimitExceeded,
)
from bgjobs.stores.types import NewJob, Notice, Owner
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.supervision.helpers import note, restarting

pytestmark = pytest.mark.anyio


async def test_a_crashed_queue_is_restarted_as_a_new_owner(app: Harness) -> None:
    """Corresponds to keep_going_after_panic of bg_jobs, which is commented out there."""
    store = FaultyStore(app.database.store())
    store.faults["reserve"] = [StoreError("a bug"), StoreError("another")]
    async with bgjobs.run(app.config(note, store=store, **restarting())) as bg:
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
    owners = [event.owner for event in app.recorder.of(QueueStarted)]
    assert len(owners) == len(set(owners)) == 3
    assert [event.owner for event in app.recorder.of(QueueStopped)] == owners
    assert [event.child for event in app.recorder.of(ChildCrashed)] == ["queue 'default'"] * 2
    assert [event.restarts for event in app.recorder.of(ChildRestarted)] == [1, 2]


async def test_every_crash_of_a_queue_releases_its_jobs(app: Harness) -> None:
    """Corresponds to release_claimed_jobs_on_process_down of bg_jobs: four crashes."""
    owners: list[UUID | None] = []
    kill = anyio.Event()

    @bgjobs.worker
    async def forever(context: bgjobs.JobContext) -> None:
        owners.append(context.job.reserved_by)
        if len(owners) < 5:
            raise QueueKiller
        kill.set()

    config = app.config(forever, limits=bgjobs.Limits(max_crashes=4), **restarting())
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(forever.request())
        await kill.wait()
        await bg.drain()
        done = await bg.find(job.id)
    assert len(set(owners)) == 5
    assert done is not None
    assert (done.crashes, done.reservations) == (4, 5)
    assert len(app.recorder.of(OwnerDied)) == 4
    assert len(app.recorder.of(MonitorReleased)) == 4


class QueueKiller(BaseException):
    """Not an `Exception`, so it crashes the queue of the handler."""


async def test_a_job_of_an_expired_owner_is_run(app: Harness) -> None:
    """Corresponds to handle_abandoned_jobs of bg_jobs: a process died long ago."""
    with app.opened() as store:
        store.migrate()
        expired = Owner(new_id(), "default", "elsewhere")
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        store.open_owner(expired, timedelta(seconds=1), now=long_ago)
        store.write([NewJob(new_id(), note.request(1))], now=long_ago)
        (held,) = store.reserve(expired.id, ["note"], 1, now=long_ago)
    async with bgjobs.run(app.config(note, **restarting())) as bg:
        await app.recorder.wait_for(JobSucceeded)
        done = await bg.find(held.id)
    assert done is not None
    assert (done.crashes, done.reservations) == (1, 2)
    assert [event.owner for event in app.recorder.of(MonitorReleasing)] == [None]


async def test_a_live_owner_of_another_process_keeps_its_jobs(app: Harness) -> None:
    store = app.open_store()
    store.migrate()
    other = Owner(new_id(), "default", "elsewhere")
    store.open_owner(other, timedelta(hours=1))
    store.write([NewJob(new_id(), note.request(1))])
    (held,) = store.reserve(other.id, ["note"], 1)
    async with bgjobs.run(app.config(note, **restarting())) as bg:
        await bg.enqueue(note.request(2))
        await app.recorder.wait_for(JobSucceeded)
    assert store.find(held.id) == held
    store.close()


async def test_a_restarted_monitor_releases_jobs_of_dead_owners_and_watches_live_ones(
    app: Harness,
) -> None:
    """Corresponds to monitor_restart_bookkeeping of bg_jobs, which forgot live owners."""
    store = FaultyStore(app.database.store())
    runs: list[int] = []

    @bgjobs.worker
    async def dying() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise QueueKiller

    config = app.config(dying, store=store, limits=bgjobs.Limits(max_crashes=9), **restarting())
    async with bgjobs.run(config) as bg:
        # The monitor crashes in its next round, and again while it releases jobs.
        store.faults["abandoned"] = [StoreError("a bug in the monitor")]
        await app.recorder.wait_for(ChildCrashed)
        store.faults["list"] = [StoreError("another one")]
        await bg.enqueue(dying.request())
        await app.recorder.wait_for(JobSucceeded)
    crashed = [event.child for event in app.recorder.of(ChildCrashed)]
    assert crashed.count("monitor") == 2
    assert crashed.count("queue 'default'") == 2
    assert len(runs) == 3


async def test_a_child_that_crashes_too_often_ends_run_with_a_group_that_names_it(
    sqlite_app: Harness,
) -> None:
    store = FaultyStore(sqlite_app.database.store())
    store.faults["reserve"] = [StoreError(f"bug {number}") for number in range(9)]
    tolerance = bgjobs.RestartTolerance(restarts=2, backoff=bgjobs.backoff.IMMEDIATE)
    config = sqlite_app.config(note, store=store, restart_tolerance=tolerance)
    with pytest.raises(ExceptionGroup) as caught:
        async with bgjobs.run(config):
            await anyio.sleep_forever()
    assert str(caught.value) == (
        "queue 'default' crashed more than 2 times within 60 seconds (1 sub-exception)"
    )
    assert [str(error) for error in caught.value.exceptions] == ["bug 2"]
    assert len(sqlite_app.recorder.of(RestartLimitExceeded)) == 1


async def test_crashes_are_counted_for_each_child_alone(sqlite_app: Harness) -> None:
    store = FaultyStore(sqlite_app.database.store())
    store.faults["abandoned"] = [StoreError("monitor"), StoreError("monitor")]
    store.faults["prune"] = [RuntimeError("pruner"), RuntimeError("pruner")]
    tolerance = bgjobs.RestartTolerance(restarts=2, backoff=bgjobs.backoff.IMMEDIATE)
    config = sqlite_app.config(note, store=store, restart_tolerance=tolerance)
    async with bgjobs.run(config) as bg:
        await sqlite_app.recorder.wait_for(ChildRestarted, 4)
        await bg.enqueue(note.request(1))
        await sqlite_app.recorder.wait_for(JobSucceeded)
    assert sqlite_app.recorder.of(RestartLimitExceeded) == []


async def test_no_owner_is_registered_after_the_application_has_stopped(app: Harness) -> None:
    async with bgjobs.run(app.config(note)) as bg:
        await bg.enqueue(note.request(1))
        await bg.drain()
        monitor = Monitor(bg._worker)
    assert monitor._services.registry.dead() == ()
    assert monitor._services.registry.alive() == ()


async def test_a_broken_change_source_is_replaced(app: Harness) -> None:
    """Afterwards, jobs of other connections are still found without a poll."""
    store = app.database.store()
    opened = []

    class Breaking:
        interval = 0.01

        def fileno(self) -> int:
            raise AssertionError("it has an interval")

        def poll(self) -> Notice:
            raise StoreUnavailableError("the connection was lost")

        def close(self) -> None:
            opened.append("closed")

    def watch() -> Any:
        opened.append("opened")
        return Breaking() if len(opened) == 1 else store.watch()

    config = app.config(note, store=Wrapped(store, watch=watch), queue={"poll_interval": 3600})
    async with bgjobs.run(config) as bg:
        await app.recorder.wait_for(QueueStarted)
        with anyio.fail_after(30):
            while opened[:3] != ["opened", "closed", "opened"]:
                await bg.enqueue(note.request())
                await app.recorder.wait_for(JobSucceeded)
        before = len(app.recorder.of(JobSucceeded))
        connection = app.database.connect()
        with connection:
            app.database.store().enqueue_in(connection, [note.request()])
        connection.close()
        await bg.drain()
        await app.recorder.wait_for(JobSucceeded, before + 1)
