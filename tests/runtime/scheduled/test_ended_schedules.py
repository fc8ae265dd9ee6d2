"""Schedules that have no occurrence left, or cannot be read by this process."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs.errors import (
    NoOccurrenceError,
)
from bgjobs.events import (
    ChildCrashed,
    QueueError,
)
from bgjobs.testing import VirtualClock
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.scheduled.conftest import Diary, application, live_for, scheduled
from tests.runtime.scheduled.hourly import HOUR, HOURLY, job, long, rest, standing, tick

pytestmark = pytest.mark.anyio


@virtual_time
async def test_a_schedule_that_has_ended_is_refused_and_changes_nothing(
    virtual_app: Harness,
) -> None:
    clock: VirtualClock = virtual_app.settings["clock"]
    clock.start = datetime(9999, 6, 1, tzinfo=UTC)
    ended = schedule().on_january().on_day_of_month(1).at(0).build()
    async with bgjobs.run(application(virtual_app, job(tick))) as bg:
        control = bg.scheduled_job("tick")
        with pytest.raises(NoOccurrenceError):
            await control.replace(ended)
        wrong: Any = schedule()
        with pytest.raises(TypeError, match="expected a built schedule, found ScheduleBuilder"):
            await control.replace(wrong)
        with pytest.raises(NoOccurrenceError):
            await bg.add_scheduled_job(job(tick, ended, name="ended"))
        await control.resume()  # not `pause`: a paused run is due in the year 9000
        planned = await standing(bg, "tick")
        assert (planned.recurrence.schedule, planned.at) == (HOURLY.text, clock.start + HOUR)
        assert [one.name for one in bg.scheduled_jobs] == ["tick"]


@virtual_time
async def test_an_application_whose_schedule_has_ended_runs_on_and_stops(
    virtual_app: Harness,
) -> None:
    clock: VirtualClock = virtual_app.settings["clock"]
    clock.start = datetime(9999, 6, 1, tzinfo=UTC)
    ended = schedule().on_january().on_day_of_month(1).at(0).build()
    async with bgjobs.run(application(virtual_app, job(tick, ended), job(long))) as bg:
        await rest(2 * HOUR)
        assert len(await bg.list(bgjobs.JobFilter("succeeded", name="long"))) == 1
        await bg.remove_scheduled_job("tick")
        await bg.add_scheduled_job(job(tick))
    assert len(virtual_app.recorder.of(QueueError)) == 1
    assert virtual_app.recorder.of(ChildCrashed) == []


def make_unreadable(app: Harness) -> None:
    """Change the row as if a newer version had written it, with an unknown schedule."""
    with closing(app.database.connect()) as connection:
        changed = "replace(occurrence, 'elapsed ', 'lunar ')"
        connection.execute(f"update bgjobs_jobs set occurrence = {changed}")
        connection.commit()


@virtual_time
async def test_a_schedule_that_cannot_be_read_here_is_replaced_by_the_configured_one(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick))) as bg:
        await rest(timedelta(minutes=1))
        make_unreadable(virtual_app)
        await rest(HOUR)
        assert len(await bg.list(bgjobs.JobFilter("succeeded"))) == 1
        assert (await standing(bg, "tick")).recurrence == bg.scheduled_job(
            "tick"
        ).config.recurrence
        await bg.scheduled_job("tick").pause()
        make_unreadable(virtual_app)
        await bg.scheduled_job("tick").resume()
        assert len(virtual_app.recorder.of(QueueError)) == 1
        await bg.scheduled_job("tick").replace(every(hours=1))
        await bg.scheduled_job("tick").resume()
        assert not (await standing(bg, "tick")).paused
        await bg.remove_scheduled_job("tick")
        assert await unreserved(bg) == []
    assert virtual_app.recorder.of(ChildCrashed) == []


@virtual_time
async def test_a_change_that_fails_at_shutdown_is_reported_and_crashes_nothing(
    virtual_app: Harness,
) -> None:
    """The row was deleted by hand meanwhile, and its schedule has no occurrence left."""
    clock: VirtualClock = virtual_app.settings["clock"]
    clock.start = datetime(9999, 12, 31, 22, 59, tzinfo=UTC)
    async with bgjobs.run(application(virtual_app, job(long))) as bg:
        await rest(timedelta(minutes=10))
        await bg.scheduled_job("long").pause()  # waits for the last run
        await rest(timedelta(seconds=1))
        with closing(virtual_app.database.connect()) as connection:
            connection.execute("delete from bgjobs_jobs")
            connection.commit()
    (told,) = virtual_app.recorder.of(QueueError)
    assert isinstance(told.error, NoOccurrenceError)
    assert virtual_app.recorder.of(ChildCrashed) == []


@virtual_time
async def test_a_schedule_without_further_occurrences_is_reported(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    clock.start = datetime(8999, 12, 31, 23, 59, 30, tzinfo=UTC)
    last = schedule().on_february().on_day_of_month(29).at(0).on_monday().build()
    assert last.next_after(clock.start).year > 8999
    diary = Diary(clock)
    clock.start = datetime(9988, 2, 28, 23, 59, 59, tzinfo=UTC)
    await live_for(application(virtual_app, scheduled(diary, last)), 10)
    (error,) = virtual_app.recorder.of(QueueError)
    assert "has no occurrence after 9988-02-29" in str(error.error)
    assert len(diary.entries) == 1
