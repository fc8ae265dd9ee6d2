"""What users do with a scheduled job of a running application.

No task belongs to it: its methods run in the task of the caller, which waits until a change is
stored. A caller that is cancelled leaves its change pending, and so does an unavailable store;
the task of the scheduled job makes it later.
"""

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

    A change is written to its one row, which all processes share. So it holds for all of them,
    and outlives this process. A run that has begun ends first. If this process runs it, the
    change is made at its end, and the call does not wait. If another process runs it, the call
    waits for its end. After a cancellation or an error of the call, this process still makes
    the change later; when it stops, it tries once more without waiting.
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
        """The settings, with the schedule that this process has last set."""
        return self._row.job

    async def occurrence(self) -> Occurrence | None:
        """Return the occurrence that waits or runs; None if there is none."""
        self._check()
        current = await self._row.current()
        return None if current is None else current.occurrence

    async def pause(self) -> None:
        """Start no run until `resume`.

        A run that has failed and waits for its next attempt is abandoned.
        """
        await self._change(Change(paused, begun_too=True))
        self._row.bus.emit(ScheduledJobPaused, self.name)

    async def resume(self) -> None:
        """Plan the next run; runs that were missed while it was paused are not made up."""
        await self._change(Change(resumed))
        self._row.bus.emit(ScheduledJobResumed, self.name)

    async def replace(self, schedule: Schedule) -> None:
        """Follow another schedule from now on; a run that is due already comes first.

        A process that starts later with other settings returns to those.

        Raises:
            NoOccurrenceError: The schedule has ended; nothing is changed.
        """
        self._check()
        check_schedule("replace", schedule)
        schedule.next_after(self._services.time.now())
        self._row.job = evolve(self._row.job, schedule=schedule)
        await self._change(Change(partial(replanned, recurrence=self._row.job.recurrence)))

    async def trigger(self) -> Job:
        """Enqueue an extra run; the planned run stays. Raises the same as `BgJobs.enqueue`."""
        self._check()
        return (await enqueue(self._services, [self._row.job.run_request()]))[0]

    async def _change(self, change: Change) -> None:
        self._check()
        self._row.add(change)
        await self._row.apply_pending()

    def _check(self) -> None:
        self._services.lifecycle.check()
        if self._row.removed:
            raise NotRunningError(self.name)
