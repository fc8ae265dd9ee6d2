"""The last runs of a scheduled job as marks, with the occurrences that were missed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeAlias

import bgjobs
from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import from_text
from bgjobs.web.present.charts import MOST_RUNS, Outcome, RunMark
from bgjobs.web.present.job_rows import state_time

EndedJob: TypeAlias = (
    bgjobs.SucceededJob[Any] | bgjobs.FailedJob[Any] | bgjobs.CancelledJob[Any]
)
ENDS: Final[Sequence[Outcome]] = ("succeeded", "failed", "cancelled")


def last_runs(name: str, jobs: Iterable[EndedJob]) -> Sequence[RunMark]:
    """Return at most `MOST_RUNS` marks of the scheduled job of a name, the oldest first.

    Args:
        name: The name of the scheduled job.
        jobs: Jobs that may be its runs, in any order; the others are left out.
    """
    marks = _marks_from_the_last(name, sorted(jobs, key=state_time, reverse=True))
    return [*islice(marks, MOST_RUNS)][::-1]


def _marks_from_the_last(name: str, jobs: Iterable[EndedJob]) -> Iterator[RunMark]:
    for job in jobs:
        found = job.occurrence
        if found is not None and found.recurrence.name == name:
            yield RunMark(state_time(job), job.state)
            if found.previous is not None:
                missed = _between(found.recurrence.schedule, found.previous, found.at)
                yield from (RunMark(at, "missed") for at in reversed(missed))


def _between(text: str, after: datetime, before: datetime) -> Sequence[datetime]:
    """Return the first occurrences of a schedule that are later than `after`."""
    try:
        schedule = from_text(text)
    except ScheduleValidationError:  # of another version
        return ()
    missed = (at for at in schedule.slots(after, before) if at < before)
    return [*islice(missed, MOST_RUNS)]
