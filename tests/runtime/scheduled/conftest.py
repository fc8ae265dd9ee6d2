"""Scheduled jobs in virtual time, whose worker notes each of its runs."""

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import schedule
from bgjobs.schedules import Schedule
from bgjobs.testing import VirtualClock
from tests.runtime.conftest import Harness

START = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
RARELY = 604_800.0
EVERY_MINUTE = schedule().build()


class Diary:
    """A worker that records its runs, each of which takes `seconds`."""

    def __init__(self, clock: VirtualClock, *, seconds: float = 0) -> None:
        self.entries: list[tuple[float, float, float | None]] = []
        """Seconds after the start: the time of a run, its occurrence, and the previous one."""
        self.errors: list[Exception] = []
        """The errors that the next runs raise, one each."""
        self.seconds = seconds

        @bgjobs.worker(name="diary")
        async def write(context: bgjobs.JobContext) -> None:
            occurrence = context.occurrence
            assert occurrence is not None
            previous = occurrence.previous
            self.entries.append(
                (
                    since_start(clock.now()),
                    since_start(occurrence.at),
                    None if previous is None else since_start(previous),
                )
            )
            await anyio.sleep(self.seconds)
            if self.errors:
                raise self.errors.pop(0)

        self.worker = write

    @property
    def ran(self) -> list[float]:
        """The times of the runs, in seconds after the start."""
        return [entry[0] for entry in self.entries]


def since_start(instant: datetime) -> float:
    return (instant - START).total_seconds()


@pytest.fixture
def clock(virtual_app: Harness) -> VirtualClock:
    clock: VirtualClock = virtual_app.settings["clock"]
    return clock


@pytest.fixture
def diary(clock: VirtualClock) -> Diary:
    return Diary(clock)


def application(app: Harness, *jobs: bgjobs.ScheduledJob, **more: Any) -> bgjobs.Config:
    return app.config(**{"queues": [], "scheduled_jobs": jobs, **more})


def scheduled(diary: Diary, when: Schedule = EVERY_MINUTE, **more: Any) -> bgjobs.ScheduledJob:
    settings = {"poll_interval": RARELY, "backoff": bgjobs.backoff.IMMEDIATE, **more}
    return bgjobs.ScheduledJob(diary.worker, when, **settings)


async def live_for(config: bgjobs.Config, seconds: float) -> None:
    async with bgjobs.run(config):
        await anyio.sleep(seconds)
