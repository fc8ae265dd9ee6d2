"""Changes of scheduled jobs whose callers are cancelled before and after they are recorded."""

import anyio
import pytest

import bgjobs
from bgjobs.events import StoreResponded
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.scheduled.conftest import application
from tests.runtime.scheduled.hourly import DAY, job, rest, standing, tick

pytestmark = pytest.mark.anyio


@virtual_time
async def test_a_change_whose_caller_is_cancelled_once_it_is_recorded_is_still_made(
    virtual_app: Harness,
) -> None:
    """Its entry in the audit stays open, as it is not known when it is made."""
    scope = anyio.CancelScope()

    def cancel(event: bgjobs.Event) -> None:
        if isinstance(event, StoreResponded) and event.verb == "begin_audit":
            scope.cancel()

    listeners = [virtual_app.recorder, cancel]
    config = application(virtual_app, job(tick), listeners=listeners)
    async with bgjobs.run(config) as bg:
        with scope:
            await bg.scheduled_job("tick").pause(by="ada")
        assert scope.cancelled_caught
        await rest(DAY)
        assert (await standing(bg, "tick")).paused
        [entry] = await bg.admin.audit()
    assert (entry.author, entry.action, entry.changed) == ("ada", "pause_schedule", None)


@virtual_time
async def test_a_change_whose_caller_is_cancelled_before_it_is_recorded_is_not_made(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick))) as bg:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await bg.scheduled_job("tick").pause()
        await rest(DAY)
        assert not (await standing(bg, "tick")).paused
        assert await bg.admin.audit() == []
