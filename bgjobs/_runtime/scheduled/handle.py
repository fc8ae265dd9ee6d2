"""A scheduled job of a running application, as its user sees it."""

from functools import partial
from typing import final

from attrs import evolve

from bgjobs._core.arguments import check_schedule
from bgjobs._core.config import ScheduledJob
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.recurrence import paused, replanned, resumed
from bgjobs._runtime.persistence.enqueue import enqueue
from bgjobs._runtime.scheduled.planner import Change
from bgjobs._runtime.scheduled.row import ScheduledRow
from bgjobs._runtime.services import Services
from bgjobs.errors import NotRunningError
from bgjobs.events import ScheduledJobPaused, ScheduledJobResumed
from bgjobs.schedules.base import Schedule


@final
class ScheduledJobControl:
    """A scheduled job of a running application: pause it, change it, trigger it.

    The switches change its one row, which all processes share, so they hold for all of them
    and outlive this one. A run that has begun is finished first: if it goes on here, the change
    is made at its end; if it goes on in another process, the call waits for that end. Cancelled
    or failed meanwhile, the change is made later all the same, as long as this process runs;
    when it stops, once more is tried and no longer waited.
    """

    def __init__(self, row: ScheduledRow, services: Services) -> None:
        self._row = row
        self._services = services

    @property
    def name(self) -> str:
        """The scheduled job's name."""
        return self._row.job.name

    @property
    def config(self) -> ScheduledJob:
        """The settings, with the schedule that was last asked for here."""
        return self._row.job

    async def occurrence(self) -> Occurrence | None:
        """Give the occurrence that waits or runs; None when there is none."""
        self._check()
        standing = await self._row.standing()
        return None if standing is None else standing.occurrence

    async def pause(self) -> None:
        """Let no run begin until `resume`.

        A run that failed and waits for its next attempt is given up.
        """
        await self._change(Change(paused, begun_too=True))
        self._row.bus.emit(ScheduledJobPaused, self.name)

    async def resume(self) -> None:
        """Plan the next run; what was missed is not made up."""
        await self._change(Change(resumed))
        self._row.bus.emit(ScheduledJobResumed, self.name)

    async def replace(self, schedule: Schedule) -> None:
        """Follow another schedule from now on; a run that is due already comes first.

        A process that starts later with other settings goes back to those. Raises
        `NoOccurrenceError` for a schedule that has ended; nothing is changed.
        """
        self._check()
        check_schedule("replace", schedule)
        schedule.next_after(self._services.time.now())
        self._row.job = evolve(self._row.job, schedule=schedule)
        await self._change(Change(partial(replanned, recurrence=self._row.job.recurrence)))

    async def trigger(self) -> Job:
        """Run it once now, beside what is planned; raises the same as `BgJobs.enqueue`."""
        self._check()
        return (await enqueue(self._services, [self._row.job.run_request()]))[0]

    async def _change(self, change: Change) -> None:
        self._check()
        self._row.add(change)
        await self._row.bring_about()

    def _check(self) -> None:
        self._services.lifecycle.check()
        if self._row.removed:
            raise NotRunningError(self.name)
