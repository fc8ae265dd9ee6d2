"""The small services beside the queues: pruner, watch, heartbeat."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import ClockSkew, JobSucceeded, Migrated, Pruned, QueueStarted
from bgjobs.stores.types import Renewal
from tests.runtime.conftest import Harness, Wrapped, virtual_time

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note() -> None:
    """Ends well."""


@bgjobs.worker
async def broken() -> None:
    raise bgjobs.Discard("gone")


@virtual_time
async def test_ended_jobs_are_pruned_when_they_are_old_enough(virtual_app: Harness) -> None:
    retention = bgjobs.Retention(succeeded=timedelta(hours=1), failed=None, interval=600)
    config = virtual_app.config(
        note, broken, queue={"poll_interval": 3600}, retention=retention
    )
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([note.request(), note.request(), broken.request()])
        await bg.drain()
        await anyio.sleep(3590)
        assert virtual_app.recorder.of(Pruned) == []
        await anyio.sleep(620)
        counts = await bg.count()
    assert virtual_app.recorder.of(Pruned) == [Pruned(2)]
    assert (counts.succeeded, counts.failed) == (0, 1)


async def test_a_skewed_clock_is_told(sqlite_app: Harness) -> None:
    store = sqlite_app.database.store()

    def heartbeat(*args: Any, **kwargs: Any) -> Renewal:
        beat = store.heartbeat(*args, **kwargs)
        return Renewal(beat.alive, beat.now - timedelta(hours=1))

    config = sqlite_app.config(
        note, store=Wrapped(store, heartbeat=heartbeat), lease=3.0, heartbeat_interval=0.1
    )
    async with bgjobs.run(config):
        skew = (await sqlite_app.recorder.wait_for(ClockSkew))[0]
    assert skew.seconds == pytest.approx(3600, abs=60)


async def test_a_broken_watcher_is_replaced(app: Harness) -> None:
    """After it broke once, jobs of other connections are still found without a poll."""
    store = app.database.store()
    opened = []

    class Breaking:
        interval = 0.01

        def fileno(self) -> int:
            raise AssertionError("it has an interval")

        def poll(self) -> Collection[str] | None:
            raise StoreUnavailableError("the connection is gone")

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


async def test_a_new_database_is_migrated_and_a_known_one_is_not(app: Harness) -> None:
    for _ in range(2):
        async with bgjobs.run(app.config(note)):
            pass
    (migrated,) = app.recorder.of(Migrated)
    assert [name[:4] for name in migrated.migrations] == [
        "0001",
        "0002",
        "0003",
        "0004",
        "0005",
    ]


async def test_without_migrate_an_empty_database_is_refused(app: Harness) -> None:
    with pytest.raises(bgjobs.errors.SchemaMismatchError) as caught:
        async with bgjobs.run(app.config(note, migrate=False)):
            raise AssertionError("it must not start")
    assert "expected schema version 5, found 0; run store.migrate()" in str(caught.value)
