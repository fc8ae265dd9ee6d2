"""Plans the next run of a scheduled job whenever one ends, whoever of this process ran it."""

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
        """How often its runs are tried."""
        ...

    def follower(self, ended: Job, now: datetime, *, dropped: bool) -> NewJob | None:
        """Give the run after one that has ended, or None when there is no more."""
        ...

    def run_settled(self, followers: Sequence[PlannedRun]) -> None:
        """Hear that the end of a run is stored, and these with it."""
        ...

    def clock_was_set(self) -> None:
        """Hear that the store's clock has been set back."""
        ...


@final
class Planner:
    """Knows the scheduled jobs of one application, and says what follows a run.

    A process that does not have the scheduled job plans nothing: one that has it will see that
    its row is gone.
    """

    def __init__(self, time: StoreClock) -> None:
        self._time = time
        self._scheduled: dict[str, Scheduled] = {}

    def add(self, name: str, scheduled: Scheduled) -> None:
        """Let it have a say about its runs."""
        self._scheduled[name] = scheduled

    def scheduled(self, job: Job) -> Scheduled | None:
        """Return the scheduled job that this is a run of, if it is one of this application's.

        Only what holds its unique key is: another row that says so was not made by it, and what
        followed would have to wait for the one that holds the key.
        """
        occurrence = job.occurrence
        if occurrence is None or job.unique_key != occurrence.recurrence.unique_key:
            return None
        scheduled = self._scheduled.get(occurrence.recurrence.name)
        return scheduled if scheduled is not None and scheduled.worker == job.name else None

    def bus_of(self, job: Job, otherwise: Bus) -> Bus:
        """Give who is to hear of this job."""
        if job.occurrence is None:
            return otherwise
        scheduled = self.scheduled(job)
        return otherwise if scheduled is None else scheduled.bus

    def followers(self, job: Job, settlement: Settlement) -> Sequence[NewJob]:
        """Give what is to be stored with this end of a run: the next one, or nothing."""
        scheduled = self.scheduled(job)
        if scheduled is None or isinstance(settlement, Requeue):
            return ()
        dropped = isinstance(settlement, Drop)
        follower = scheduled.follower(job, self._time.now(), dropped=dropped)
        return () if follower is None else (follower,)

    def tell(self, job: Job, settlement: Settlement, followers: Sequence[NewJob]) -> None:
        """Tell what was planned, and what was missed before it, once both are stored."""
        scheduled = self.scheduled(job)
        if scheduled is None or job.occurrence is None:
            return
        runs = [new.plan for new in followers if isinstance(new.plan, PlannedRun)]
        scheduled.run_settled(runs)
        for run in runs:
            planned = run.occurrence
            if scheduled.bus.has_listeners:
                _tell_missed(scheduled.bus, job.occurrence, settlement, run)
                if not planned.paused:
                    scheduled.bus.emit(OccurrencePlanned, planned.recurrence.name, planned.at)

    def clock_was_set(self) -> None:
        """Make all scheduled jobs look at their rows: the store's clock was set back."""
        for scheduled in self._scheduled.values():
            scheduled.clock_was_set()


def _tell_missed(bus: Bus, ended: Occurrence, settlement: Settlement, run: PlannedRun) -> None:
    missed = [ended.at] if isinstance(settlement, Drop) else []
    with suppress(ScheduleValidationError):  # what cannot be read here cannot be counted
        follows = run.occurrence.recurrence.schedule == ended.recurrence.schedule
        until = run.occurrence.at if follows else min(run.occurrence.at, run.now)
        missed += missed_between(ended.recurrence, ended.at, until)
    if missed:
        bus.emit(OccurrencesMissed, ended.recurrence.name, missed[0], len(missed))
