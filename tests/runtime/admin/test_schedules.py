"""Scheduled jobs, and their runs, changed through `Admin`."""

from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.jobs import FailedJob, SucceededJob
from tests.runtime.admin.helpers import fine, nightly, planned
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


async def test_scheduled_jobs_are_listed_paused_and_triggered_from_another_process(
    app: Harness,
) -> None:
    job = bgjobs.ScheduledJob(fine, bgjobs.schedule().at(2, 30).build(), name="nightly")
    config, other = (app.config(fine, scheduled_jobs=[job]) for _ in range(2))
    async with bgjobs.run(config) as bg, bgjobs.administer(other) as admin:
        while (await admin.schedules())[0].occurrence is None:
            await anyio.lowlevel.checkpoint()
        [state] = await admin.schedules()
        assert (state.name, state.worker, state.paused) == ("nightly", "fine", False)
        await admin.schedule("nightly").pause()
        [state] = await bg.admin.schedules()
        assert state.paused
        run = await admin.schedule("nightly").trigger()
        assert isinstance(await bg.wait_for(run), SucceededJob)
        await admin.schedule("nightly").resume()
        [state] = await admin.schedules()
        assert not state.paused


@pytest.mark.parametrize("ending", ["cancel", "delete"])
async def test_a_waiting_run_is_ended_and_its_schedule_plans_another(
    app: Harness, ending: str
) -> None:
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        first = await planned(bg.admin)
        assert await bg.admin.reschedule(first.id, in_=timedelta(0)) == []
        if ending == "cancel":
            found = await bg.admin.cancel(first.id, reason="x")
            assert found == bgjobs.Cancellation([first.id], [])
            assert isinstance(await bg.find(first.id), FailedJob)
        else:
            assert await bg.admin.delete(first.id) == [first.id]
            assert await bg.find(first.id) is None
        again = await planned(bg.admin, other_than=first.id)
        assert again.occurrence == first.occurrence


@pytest.mark.parametrize("ending", ["cancel", "delete"])
async def test_a_run_of_a_removed_schedule_is_ended(app: Harness, ending: str) -> None:
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        orphan = await planned(bg.admin)
    async with bgjobs.administer(app.config(fine)) as admin:
        if ending == "cancel":
            assert (await admin.cancel(orphan.id, reason="x")).ended == [orphan.id]
        else:
            assert await admin.delete(orphan.id) == [orphan.id]
        assert await admin.unhandled() == []
        assert (await admin.count()).delayed == 0
