"""A schedule in words, and its next runs with what changes of the clocks do to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import final

from attrs import frozen

from bgjobs.schedules import AnyOf, Interval, Schedule

MOST_RUNS = 10


@final
@frozen
class NextRun:
    """One of the next runs of a schedule."""

    at: datetime
    """In UTC."""
    local: str
    """The time of the wall clock in the zone of the schedule, with the name of the zone."""
    remark: str
    """What a change of the clocks did to it; empty if nothing."""


@final
@frozen
class ScheduleWords:
    """What a page shows of a schedule."""

    words: str
    """When it recurs, in English."""
    zone: str
    """The time zone whose wall clock it follows."""
    text: str
    """The form in which it is stored."""
    runs: Sequence[NextRun]
    counts_from_end: bool
    """Whether it counts from the end of the last run, at least in part. `runs` are then only
    right if the runs take no time."""


def schedule_words(
    schedule: Schedule, after: datetime, count: int = MOST_RUNS
) -> ScheduleWords:
    """Return a schedule in words, with its next runs after an instant.

    Args:
        schedule: The schedule; `ScheduleState.schedule` is None if it cannot be read.
        after: The instant after which the runs begin, with a time zone.
        count: How many runs at most.
    """
    preview = schedule.preview(count, after=after)
    return ScheduleWords(
        words=schedule.describe(),
        zone=str(schedule.timezone),
        text=schedule.text,
        runs=[
            NextRun(line.utc, local, line.remark)
            for line, local in zip(preview, preview.local_times, strict=True)
        ],
        counts_from_end=_counts_from_end(schedule),
    )


def _counts_from_end(schedule: Schedule) -> bool:
    members = schedule.members if isinstance(schedule, AnyOf) else (schedule,)
    return any(isinstance(one, Interval) for one in members)
