"""Plans the next run of a scheduled job at the end of each run, in whichever queue it ran.

No task belongs to it: the settler and the monitor ask it which job to store together with the
end of a run. The store then calls `PlannedRun` in one of its threads, inside the transaction,
with its own time. If the store is unavailable nothing is stored, and the end and the next run
are written together later.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Protocol, final

from attrs import define, frozen

from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.outcomes import RetryPolicy
from bgjobs._core.recurrence import missed_between, request_of
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Drop, Requeue, Settlement
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.persistence.store_clock import StoreClock
from bgjobs.errors import NoOccurrenceError, ScheduleValidationError
from bgjobs.events import OccurrencePlanned, OccurrencesMissed
from bgjobs.stores.types import NewJob

IMPOSSIBLE = (NoOccurrenceError, ScheduleValidationError)
"""The errors of a schedule that has ended, or whose text or time zone is unknown here."""


@final
@frozen(eq=False)
class Change:
    """A change of the stored occurrence, as a pure function."""

    step: Callable[[Occurrence, datetime], Occurrence]
    begun_too: bool = False
    """Whether it also ends an occurrence that waits for its next attempt."""
    request: JobRequest | None = None
    """The request for all runs from now on; None leaves it as it is."""
    configured: bool = False
    """Whether it comes from the settings, so that each start makes it again."""


@final
@define(eq=False)
class PlannedRun:
    """The `NewJob.plan` of the run of a scheduled job, and the occurrence that it planned.

    The store calls it in one of its threads, with its own time: after one of the clocks was
    set, the time of this process differs. It uses only the schedule and the changes that were
    pending when the run was requested.
    """

    changes: Sequence[Change]
    """The changes that are part of the run."""
    occurrence: Occurrence
    """The occurrence, as it was last planned; an estimate until the store has called."""
    now: datetime
    """When it was last planned."""
    _begin: Callable[[datetime], Occurrence]
    _asked: JobRequest
    _random: Random

    def __call__(self, now: datetime) -> JobRequest:
        """Plan it by the store's time; the estimate stays if the schedule has ended by then."""
        with suppress(*IMPOSSIBLE):
            occurrence = self._begin(now)
            for change in self.changes:
                occurrence = change.step(occurrence, now)
            self.occurrence, self.now = occurrence, now
        return self.request()

    def request(self) -> JobRequest:
        """Return the request for the job that serves the occurrence."""
        return request_of(self._asked, self.occurrence, self._random)


def occurrence_of(new: NewJob) -> Occurrence | None:
    """Return the occurrence that a new job serves, as it was last planned."""
    run = new.plan
    return run.occurrence if isinstance(run, PlannedRun) else new.request.options.occurrence


class Scheduled(Protocol):
    """A scheduled job of this application."""

    @property
    def worker(self) -> str:
        """The name of its worker."""
        ...

    @property
    def bus(self) -> Bus:
        """Its listeners, and those of the whole application."""
        ...

    @property
    def policy(self) -> RetryPolicy:
        """How often its runs are retried."""
        ...

    def follower(self, ended: Job, now: datetime, *, dropped: bool) -> NewJob | None:
        """Return the run after one that has ended, or None if there is none."""
        ...

    def run_settled(self, followers: Sequence[PlannedRun]) -> None:
        """React to the end of a run, which is stored together with these runs."""
        ...

    def clock_was_set(self) -> None:
        """React to a store's clock that was set back."""
        ...


@final
class Planner:
    """Knows the scheduled jobs of one application, and decides what follows a run.

    A process without the scheduled job plans nothing after its runs. A process that has it
    notices that the row is missing, and plans it again.
    """

    def __init__(self, time: StoreClock) -> None:
        self._time = time
        self._scheduled: dict[str, Scheduled] = {}

    def add(self, name: str, scheduled: Scheduled) -> None:
        """Register a scheduled job, which decides about its runs from now on."""
        self._scheduled[name] = scheduled

    def scheduled(self, job: Job) -> Scheduled | None:
        """Return the scheduled job that `job` is a run of; None if this application has none.

        A run must have the unique key of its scheduled job. Another row with such an occurrence
        was not made by it, and its next run would have to wait for the row that has the key.
        """
        occurrence = job.occurrence
        if occurrence is None or job.unique_key != occurrence.recurrence.unique_key:
            return None
        scheduled = self._scheduled.get(occurrence.recurrence.name)
        return scheduled if scheduled is not None and scheduled.worker == job.name else None

    def bus_for(self, job: Job, default: Bus) -> Bus:
        """Return the bus for the events of a job: that of its scheduled job, or `default`."""
        if job.occurrence is None:
            return default
        scheduled = self.scheduled(job)
        return default if scheduled is None else scheduled.bus

    def followers(self, job: Job, settlement: Settlement) -> Sequence[NewJob]:
        """Return the jobs to store with this end of a run: the next run, or none."""
        scheduled = self.scheduled(job)
        if scheduled is None or isinstance(settlement, Requeue):
            return ()
        dropped = isinstance(settlement, Drop)
        follower = scheduled.follower(job, self._time.now(), dropped=dropped)
        return () if follower is None else (follower,)

    def settled(self, job: Job, settlement: Settlement, followers: Sequence[NewJob]) -> None:
        """Emit which run was planned and which were missed, after both are stored."""
        scheduled = self.scheduled(job)
        if scheduled is None or job.occurrence is None:
            return
        runs = [new.plan for new in followers if isinstance(new.plan, PlannedRun)]
        scheduled.run_settled(runs)
        for run in runs:
            planned = run.occurrence
            if scheduled.bus.has_listeners:
                _emit_missed(scheduled.bus, job.occurrence, settlement, run)
                if not planned.paused:
                    scheduled.bus.emit(OccurrencePlanned, planned.recurrence.name, planned.at)

    def clock_was_set(self) -> None:
        """Make all scheduled jobs check their rows, because the store's clock was set back."""
        for scheduled in self._scheduled.values():
            scheduled.clock_was_set()


def _emit_missed(bus: Bus, ended: Occurrence, settlement: Settlement, run: PlannedRun) -> None:
    missed = [ended.at] if isinstance(settlement, Drop) else []
    with suppress(ScheduleValidationError):  # its missed runs cannot be counted
        follows = run.occurrence.recurrence.schedule == ended.recurrence.schedule
        until = run.occurrence.at if follows else min(run.occurrence.at, run.now)
        missed += missed_between(ended.recurrence, ended.at, until)
    if missed:
        bus.emit(OccurrencesMissed, ended.recurrence.name, missed[0], len(missed))
