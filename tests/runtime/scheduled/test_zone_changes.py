"""Time zone data that changes between two starts: each local time still has one run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs.events import JobSucceeded, OccurrenceReplanned, OccurrencesMissed
from bgjobs.testing import VirtualClock
from tests.fixtures.listings import unreserved
from tests.fixtures.zone_data import zones
from tests.runtime.conftest import Harness, virtual_time, virtual_time_on_both
from tests.runtime.scheduled.conftest import application

pytestmark = pytest.mark.anyio

SUMMER, WINTER = "CST5", "CST6"
"""Two sets of data for one city; in July the first shows an hour more than the second."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RARELY = 604_800.0


@bgjobs.worker
async def tick() -> None: ...


def at_nine(**more: Any) -> bgjobs.ScheduledJob:
    when = schedule().at(9).in_timezone("City").build()
    return bgjobs.ScheduledJob(tick, when, **{"poll_interval": RARELY, **more})


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2030, 6, 30, hour, minute, tzinfo=UTC) + (day - 1) * DAY


@pytest.fixture
def clock(virtual_app: Harness) -> VirtualClock:
    clock: VirtualClock = virtual_app.settings["clock"]
    clock.start = utc(1, 8)
    return clock


async def live_until(app: Harness, clock: VirtualClock, end: datetime, **more: Any) -> None:
    async with bgjobs.run(application(app, at_nine(**more))):
        await anyio.sleep((end - clock.now()).total_seconds())


def ran(app: Harness) -> list[tuple[datetime | None, datetime]]:
    """Return the occurrences that were run, and when."""
    runs = [event.job for event in app.recorder.of(JobSucceeded)]
    return [
        (one.occurrence and one.occurrence.at, one.reserved_at or utc(0, 0)) for one in runs
    ]


async def changed_at(
    app: Harness, clock: VirtualClock, folder: Path, moment: datetime, old: str, new: str
) -> None:
    """Stop with the old data on the first day; start with the new data until the third day."""
    with zones(folder / "old", City=old):
        await live_until(app, clock, utc(1, 20))
    app.recorder.clear()
    await anyio.sleep((moment - clock.now()).total_seconds())
    with zones(folder / "new", City=new):
        await live_until(app, clock, utc(3, 20))


@virtual_time_on_both
async def test_a_city_that_abolishes_summer_time_has_each_run_once(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    await changed_at(virtual_app, clock, tmp_path, utc(1, 22), SUMMER, WINTER)
    assert ran(virtual_app) == [(utc(day, 15), utc(day, 15)) for day in (2, 3)]
    (told,) = virtual_app.recorder.of(OccurrenceReplanned)
    assert (told.before, told.at) == (utc(2, 14), utc(2, 15))


@virtual_time
async def test_a_city_that_introduces_summer_time_has_each_run_once(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    await changed_at(virtual_app, clock, tmp_path, utc(1, 22), WINTER, SUMMER)
    assert ran(virtual_app) == [(utc(day, 14), utc(day, 14)) for day in (2, 3)]


@virtual_time
async def test_a_job_started_between_the_old_time_and_the_new_one_waits(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    await changed_at(virtual_app, clock, tmp_path, utc(2, 14, 30), SUMMER, WINTER)
    assert ran(virtual_app) == [(utc(day, 15), utc(day, 15)) for day in (2, 3)]


@virtual_time
async def test_a_job_started_between_the_new_time_and_the_old_one_runs_late(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    await changed_at(virtual_app, clock, tmp_path, utc(2, 14, 30), WINTER, SUMMER)
    times = [
        (at, round((when - utc(0, 0)) / timedelta(minutes=1))) for at, when in ran(virtual_app)
    ]
    late = round((utc(2, 14, 30) - utc(0, 0)) / timedelta(minutes=1))
    assert times[0] == (utc(2, 14), late)
    assert [at for at, _ in times] == [utc(2, 14), utc(3, 14)]


@virtual_time
async def test_a_job_started_after_both_times_runs_late_and_once(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    await changed_at(virtual_app, clock, tmp_path, utc(2, 18), SUMMER, WINTER)
    assert [at for at, _ in ran(virtual_app)] == [utc(2, 15), utc(3, 15)]
    assert virtual_app.recorder.of(OccurrencesMissed) == []


@virtual_time_on_both
async def test_a_local_time_that_had_its_run_by_the_old_data_has_no_other_by_the_new(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    """By the old data it has run at nine; by the new data that was half past eight."""
    with zones(tmp_path / "old", City=SUMMER):
        await live_until(virtual_app, clock, utc(1, 14, 20))
    await anyio.sleep((utc(1, 14, 30) - clock.now()).total_seconds())
    with zones(tmp_path / "new", City=WINTER):
        await live_until(virtual_app, clock, utc(3, 20))
    assert [at for at, _ in ran(virtual_app)] == [utc(1, 14), utc(2, 15), utc(3, 15)]


@virtual_time
async def test_unchanged_time_zone_data_moves_no_run(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    await changed_at(virtual_app, clock, tmp_path, utc(2, 14, 30), WINTER, WINTER)
    assert [at for at, _ in ran(virtual_app)] == [utc(2, 15), utc(3, 15)]
    assert virtual_app.recorder.of(OccurrenceReplanned) == []


@virtual_time
async def test_jitter_that_has_begun_is_kept(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    with zones(tmp_path, City=WINTER):
        await live_until(virtual_app, clock, utc(1, 20), jitter=600)
        await live_until(virtual_app, clock, utc(2, 15), jitter=600)
        await live_until(virtual_app, clock, utc(2, 20), jitter=600)
    assert [at for at, _ in ran(virtual_app)] == [utc(1, 15), utc(2, 15)]
    assert virtual_app.recorder.of(OccurrenceReplanned) == []


@virtual_time
async def test_a_process_with_old_time_zone_data_does_not_undo_a_newer_plan(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    """In a rolling deploy the process that started last decides."""
    with zones(tmp_path / "old", City=SUMMER):
        async with bgjobs.run(application(virtual_app, at_nine(poll_interval=60))) as bg:
            await anyio.sleep(60)
            with zones(tmp_path / "new", City=WINTER):
                async with bgjobs.run(application(virtual_app, at_nine(poll_interval=60))):
                    await anyio.sleep(60)
            await anyio.sleep(2 * HOUR.total_seconds())
            (waiting,) = await unreserved(bg)
    assert waiting.available_at == utc(1, 15)
    assert len(virtual_app.recorder.of(OccurrenceReplanned)) == 1


@virtual_time
async def test_a_due_run_of_a_union_with_an_interval_is_kept(
    virtual_app: Harness, clock: VirtualClock, tmp_path: Path
) -> None:
    with zones(tmp_path, City=WINTER):
        union = schedule().at(9).in_timezone("City").build() | every(hours=1)
        job = bgjobs.ScheduledJob(tick, union, poll_interval=RARELY)
        for _ in range(3):
            async with bgjobs.run(application(virtual_app, job)):
                await anyio.sleep(1800)
    assert [at for at, _ in ran(virtual_app)] == [utc(1, 9)]
    assert virtual_app.recorder.of(OccurrenceReplanned) == []
