"""Recurrences, occurrences and rows for the tests of recurrences."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bgjobs import every, schedule
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.requests import JobRequest

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MINUTELY = Recurrence(name="tick", schedule=schedule().build().text)
HOURLY = Recurrence(name="tick", schedule=every(hours=1).text)
ASKED = JobRequest("tick", "{}").priority(7)
SERVED = Occurrence(recurrence=MINUTELY, at=NOON, previous=NOON - MINUTE)
DAILY = Recurrence(name="tick", schedule=schedule().at(9).build().text)
WAITS = Occurrence(recurrence=MINUTELY, at=NOON + MINUTE, previous=NOON)
MONTH = timedelta(days=30)


def waiting(occurrence: Occurrence | None, **counters: Any) -> Job:
    return Job(
        id=new_id(),
        name="tick",
        payload="{}",
        created_at=NOON,
        occurrence=occurrence,
        **{"available_at": NOON, **counters},
    )


def planned_row(occurrence: Occurrence, **columns: Any) -> Job:
    return waiting(occurrence, **{"available_at": occurrence.at, **columns})
