"""A run that is planned once the store knows at which time it is stored."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import final

from attrs import define, frozen

from bgjobs._core.jobs import JobRequest
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.recurrence import request_of
from bgjobs.errors import NoOccurrenceError, ScheduleValidationError
from bgjobs.stores.abc import NewJob

IMPOSSIBLE = (NoOccurrenceError, ScheduleValidationError)
"""What a schedule raises that has ended, or whose text or time zone is unknown here."""


@final
@frozen(eq=False)
class Change:
    """One step from what stands to what is wanted."""

    step: Callable[[Occurrence, datetime], Occurrence]
    begun_too: bool = False
    """Whether it ends an occurrence that waits for its next attempt."""
    request: JobRequest | None = None
    """The arguments of the runs from now on; None leaves them as they are."""
    configured: bool = False
    """Whether every start asks for it again."""


@final
@define(eq=False)
class PlannedRun:
    """What `NewJob.plan` is for the run of a scheduled job, and what became of it.

    The store calls it in one of its threads, with its own time: the time of this process may be
    behind, or ahead, since one of the two clocks was set. Nothing but the schedule and the
    changes that were wanted when the run was asked for goes into it.
    """

    changes: Sequence[Change]
    """What the run includes."""
    occurrence: Occurrence
    """What it serves, as it was planned last; an estimate before the store has called."""
    now: datetime
    """When that was planned."""
    _begin: Callable[[datetime], Occurrence]
    _asked: JobRequest
    _random: Random

    def __call__(self, now: datetime) -> JobRequest:
        """Plan it by the store's time; if the schedule has ended by then, it stays as it is."""
        with suppress(*IMPOSSIBLE):
            occurrence = self._begin(now)
            for change in self.changes:
                occurrence = change.step(occurrence, now)
            self.occurrence, self.now = occurrence, now
        return self.request()

    def request(self) -> JobRequest:
        """Return the job that serves the occurrence."""
        return request_of(self._asked, self.occurrence, self._random)


def occurrence_of(new: NewJob) -> Occurrence | None:
    """Return what a run serves, as it was planned last."""
    run = new.plan
    return run.occurrence if isinstance(run, PlannedRun) else new.request.options.occurrence
