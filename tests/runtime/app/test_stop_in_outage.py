"""An application whose store is unavailable can be stopped."""

from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every
from bgjobs.events import (
    JobStarted,
    QueueStarted,
    StoreFailed,
)
from bgjobs.testing import Recorder
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, virtual_time_on_both

pytestmark = [pytest.mark.anyio, virtual_time_on_both]


LEASE = 4.0


HOUR = 3600.0


@bgjobs.worker
async def note(number: int = 0) -> None:
    """End well."""


def weathered(app: Harness, *workers: Any, **more: Any) -> tuple[FaultyStore, bgjobs.Config]:
    """A store to send away, and an application over it with a short lease."""
    store = FaultyStore(app.database.store())
    return store, app.config(*workers, **{"store": store, "lease": LEASE, **more})


async def refused(recorder: Recorder, verb: str) -> None:
    """Wait until this verb has found the store away."""
    while verb not in {event.verb for event in recorder.of(StoreFailed)}:
        await recorder.wait_for(StoreFailed, len(recorder.of(StoreFailed)) + 1)


@pytest.mark.parametrize("stops", [1, 2])
async def test_an_application_that_has_lost_its_store_can_be_stopped(
    virtual_app: Harness, stops: int
) -> None:
    """Its queue has lost its lease and tries to get another one."""
    store, config = weathered(virtual_app, note, grace=HOUR if stops == 2 else 0)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            await virtual_app.recorder.wait_for(QueueStarted)
            store.away = True
            await refused(virtual_app.recorder, "open_owner")
            bg.stop()
            if stops == 2:
                bg.stop(grace=0)
    assert len(virtual_app.recorder.of(QueueStarted)) == 1


async def test_an_application_whose_queues_never_reached_the_store_can_be_stopped(
    virtual_app: Harness,
) -> None:
    store, config = weathered(virtual_app, note)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            store.away = True
            await refused(virtual_app.recorder, "open_owner")
            bg.stop()
    assert virtual_app.recorder.of(QueueStarted) == []


async def test_a_scheduled_job_whose_store_is_away_can_be_stopped(
    virtual_app: Harness,
) -> None:
    @bgjobs.worker
    async def daily() -> None:
        """Ends well."""

    scheduled = bgjobs.ScheduledJob(daily, every(days=1))
    store, config = weathered(virtual_app, queues=(), scheduled_jobs=[scheduled])
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            store.away = True
            await refused(virtual_app.recorder, "open_owner")
            bg.stop()
    assert virtual_app.recorder.of(QueueStarted) == []


async def test_an_application_whose_handler_runs_can_be_stopped_without_its_store(
    virtual_app: Harness,
) -> None:
    """The end of the handler cannot be stored; the job is another process's after the lease."""

    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    store, config = weathered(virtual_app, forever, grace=0)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            job = await bg.enqueue(forever.request())
            await virtual_app.recorder.wait_for(JobStarted)
            store.away = True
            bg.stop()
    looking = virtual_app.open_store()
    assert [held.id for held in looking.get_running()] == [job.id]
    looking.close()
