"""An application whose store is unavailable can be stopped."""

import anyio
import pytest

import bgjobs
from bgjobs import every
from bgjobs.events import (
    JobStarted,
    QueueStarted,
)
from tests.runtime.conftest import Harness, virtual_time_on_both
from tests.runtime.supervision.helpers import HOUR, failed_call, note, over_a_faulty_store

pytestmark = [pytest.mark.anyio, virtual_time_on_both]


@pytest.mark.parametrize("stops", [1, 2])
async def test_an_application_that_has_lost_its_store_can_be_stopped(
    virtual_app: Harness, stops: int
) -> None:
    """Its queue has lost its lease and tries to register as a new owner."""
    store, config = over_a_faulty_store(virtual_app, note, grace=HOUR if stops == 2 else 0)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            await virtual_app.recorder.wait_for(QueueStarted)
            store.away = True
            await failed_call(virtual_app.recorder, "open_owner")
            bg.stop()
            if stops == 2:
                bg.stop(grace=0)
    assert len(virtual_app.recorder.of(QueueStarted)) == 1


async def test_an_application_whose_queues_never_reached_the_store_can_be_stopped(
    virtual_app: Harness,
) -> None:
    store, config = over_a_faulty_store(virtual_app, note)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            store.away = True
            await failed_call(virtual_app.recorder, "open_owner")
            bg.stop()
    assert virtual_app.recorder.of(QueueStarted) == []


async def test_a_scheduled_job_whose_store_is_away_can_be_stopped(
    virtual_app: Harness,
) -> None:
    @bgjobs.worker
    async def daily() -> None:
        """Succeed."""

    scheduled = bgjobs.ScheduledJob(daily, every(days=1))
    store, config = over_a_faulty_store(virtual_app, queues=(), scheduled_jobs=[scheduled])
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            store.away = True
            await failed_call(virtual_app.recorder, "open_owner")
            bg.stop()
    assert virtual_app.recorder.of(QueueStarted) == []


async def test_an_application_whose_handler_runs_can_be_stopped_without_its_store(
    virtual_app: Harness,
) -> None:
    """The end of the run cannot be stored; the job stays reserved until its lease expires."""

    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    store, config = over_a_faulty_store(virtual_app, forever, grace=0)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            job = await bg.enqueue(forever.request())
            await virtual_app.recorder.wait_for(JobStarted)
            store.away = True
            bg.stop()
    looking = virtual_app.open_store()
    assert [held.id for held in looking.get_running()] == [job.id]
    looking.close()
