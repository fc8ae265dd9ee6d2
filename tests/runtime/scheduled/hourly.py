"""Jobs that are scheduled every hour, for tests that change them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

import bgjobs
from bgjobs import schedule
from tests.runtime.scheduled.conftest import RARELY

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = schedule().on_minute(0).build()


@bgjobs.worker
async def tick() -> None: ...


@bgjobs.worker
async def long() -> None:
    await anyio.sleep(1800)


@bgjobs.worker
async def failing() -> None:
    await anyio.sleep(60)
    raise ConnectionError("reset")


def job(worker: Any, when: bgjobs.Schedule = HOURLY, **more: Any) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(worker, when, **{"poll_interval": RARELY, **more})


async def rest(span: timedelta) -> None:
    await anyio.sleep(span.total_seconds())


async def standing(bg: bgjobs.BgJobs, name: str) -> bgjobs.Occurrence:
    occurrence = await bg.scheduled_job(name).occurrence()
    assert occurrence is not None
    return occurrence
