"""Ten years of an application in a few seconds; every event of them is predicted."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import pairwise, product

import anyio
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs.events import (
    Event,
    JobAttemptFailed,
    JobEnqueued,
    JobReserved,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrencesMissed,
)
from tests.runtime.conftest import Harness, virtual_time

pytestmark = [pytest.mark.anyio, virtual_time]

START = datetime(2030, 1, 1, tzinfo=UTC)
END = datetime(2040, 1, 1, tzinfo=UTC)
WEEK, DAY, MINUTE = timedelta(weeks=1), timedelta(days=1), timedelta(minutes=1)
FORTNIGHT = 2 * WEEK + 7 * MINUTE
RETRY = timedelta(hours=1)
RUN = ("JobReserved", "JobStarted", "JobSucceeded")
WATCHED = (
    JobEnqueued,
    JobReserved,
    JobStarted,
    JobSucceeded,
    JobAttemptFailed,
    OccurrencePlanned,
    OccurrencesMissed,
)
Line = tuple[datetime, str, str]
"""The time, the event and its job."""


def bills() -> Iterator[Line]:
    """Bills: at 02:30 in Paris on the first of each month, when no clock change occurs."""
    yield START, "OccurrencePlanned", "bill"
    for year, month in product(range(2030, 2040), range(1, 13)):
        offset = timedelta(hours=2 if 4 <= month <= 10 else 1)
        at = datetime(year, month, 1, 2, 30, tzinfo=UTC) - offset
        yield from ((at, name, "bill") for name in (*RUN, "OccurrencePlanned"))


def backups() -> Iterator[Line]:
    """Backups: two weeks after the end of the last one; every tenth fails once."""
    yield START, "OccurrencePlanned", "backup"
    at, number = START + FORTNIGHT, 1
    while at <= END:
        if number % 10 == 0:
            failed = ("JobReserved", "JobStarted", "JobAttemptFailed")
            yield from ((at, name, "backup") for name in failed)
            at += RETRY
        yield from ((at, name, "backup") for name in (*RUN, "OccurrencePlanned"))
        at, number = at + FORTNIGHT, number + 1


def leap_days() -> Iterator[Line]:
    """29 February: a run of two days, which misses an occurrence."""
    yield START, "OccurrencePlanned", "feast"
    for year in (2032, 2036):
        first = datetime(year, 2, 29, 12, 0, 30, tzinfo=UTC)
        yield from ((first, name, "feast") for name in RUN[:2])
        ended = ("JobSucceeded", "OccurrencesMissed", "OccurrencePlanned")
        yield from ((first + 2 * DAY, name, "feast") for name in ended)


def birthdays() -> Iterator[Line]:
    """Cards: jobs that are enqueued at the start, one for each hundredth day."""
    for number in range(1, 31):
        yield START, "JobEnqueued", f"card {number}"
    for number in range(1, 31):
        at = START + number * 100 * DAY + 3 * MINUTE
        yield from ((at, name, f"card {number}") for name in RUN)


class Witness:
    """A listener that records the events and their times."""

    def __init__(self, clock: bgjobs.testing.VirtualClock) -> None:
        self._clock = clock
        self.lines: list[Line] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, WATCHED):
            self.lines.append((self._clock.now(), type(event).__name__, about(event)))


def about(event: Event) -> str:
    if isinstance(event, OccurrencePlanned | OccurrencesMissed):
        return event.scheduled_job
    job: bgjobs.Job = event.job  # type: ignore[union-attr, assignment]  # all other events of WATCHED have one
    return job.name if job.name != "card" else f"card {job.priority}"


async def test_ten_years_pass_in_seconds_with_the_expected_events(virtual_app: Harness) -> None:
    backed_up: list[int] = []

    @bgjobs.worker
    async def bill() -> None: ...

    @bgjobs.worker
    async def backup(context: bgjobs.JobContext) -> None:
        if context.attempt == 1:
            backed_up.append(1)
            if len(backed_up) % 10 == 0:
                raise ConnectionError("no disk")

    @bgjobs.worker
    async def feast() -> None:
        await anyio.sleep(2 * DAY.total_seconds())

    @bgjobs.worker
    async def card() -> None: ...

    on_the_first = schedule().on_day_of_month(1).at(2, 30).in_timezone("Europe/Paris")
    on_leap_days = schedule().on_february().on_day_of_month(29).on_hour(12, 13).on_minute(0)
    jobs = [
        bgjobs.ScheduledJob(bill, on_the_first.build(), poll_interval=WEEK.total_seconds()),
        bgjobs.ScheduledJob(
            backup,
            every(seconds=FORTNIGHT.total_seconds()),
            poll_interval=WEEK.total_seconds(),
            backoff=bgjobs.backoff.Constant(RETRY.total_seconds()),
        ),
        bgjobs.ScheduledJob(
            feast, on_leap_days.on_second(30).build(), poll_interval=WEEK.total_seconds()
        ),
    ]
    cards = bgjobs.Queue("cards", workers=[card], poll_interval=WEEK.total_seconds())
    witness = Witness(virtual_app.settings["clock"])
    config = virtual_app.config(queues=[cards], scheduled_jobs=jobs, listeners=[witness])
    began = time.monotonic()
    async with bgjobs.run(config) as bg:
        days = ((number, number * 100 * DAY + 3 * MINUTE) for number in range(1, 31))
        for number, wait in days:
            await bg.enqueue(card.request().available_at(START + wait).priority(number))
        await anyio.sleep((END - START).total_seconds())
        bg.stop()
    assert time.monotonic() - began < 60, "a safety net; it takes a few seconds"
    lines = witness.lines
    assert all(one[0] <= other[0] for one, other in pairwise(lines))
    at_start = [line for line in lines if line[0] == START]
    foretold = list(
        merge(bills(), backups(), leap_days(), birthdays(), key=lambda line: line[0])
    )
    assert sorted(at_start) == sorted(line for line in foretold if line[0] == START)
    assert lines[len(at_start) :] == [line for line in foretold if line[0] != START]
    assert len(lines) > 1500
