"""What users do with a scheduled job, of their own application or of another process.

No task belongs to it: its methods run in the task of the caller, which records the change and
waits until it is stored. If the caller is cancelled while it waits, its change stays pending
where the scheduled job runs, and so it does while the store is unavailable; the task of the
scheduled job makes it later.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import final

from bgjobs._core.arguments import check_schedule
from bgjobs._core.config import ScheduledJob
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.recurrence import paused, replanned, resumed
from bgjobs._runtime.admin.audit import Action, audited
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.persistence.enqueue import enqueue_for_any
from bgjobs._runtime.scheduled.kept_row import KeptRow
from bgjobs._runtime.scheduled.planner import Change
from bgjobs._runtime.scheduled.row import ScheduledRow
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import NotRunningError
from bgjobs.events import ScheduledJobPaused, ScheduledJobResumed
from bgjobs.schedules.base import Schedule

OpenRow = Callable[[], AbstractAsyncContextManager[ScheduledRow]]


class ScheduleControl:
    """A scheduled job of any process: pause it, change it, trigger it.

    A change is written to its one row, which all processes share. So it holds for all of them,
    and outlives this process. A run that has begun ends first, and the call waits for that. If
    the call is cancelled or fails before the change is written, nothing is changed.

    If the configuration does not have the scheduled job, its methods use what is in the row:
    the worker, the arguments and the schedule. Then they raise `UnknownNameError` if there is
    no such row, and `AmbiguousScheduleError` if rows of several workers have the name.
    """

    def __init__(self, name: str, services: ClientServices, open_row: OpenRow) -> None:
        self._name = name
        self._services = services
        self._open_row = open_row

    @property
    def name(self) -> str:
        """The scheduled job's name."""
        return self._name

    async def occurrence(self) -> Occurrence | None:
        """Return the occurrence that waits or runs; None if there is none."""
        self._services.lifecycle.check()
        async with self._open_row() as row:
            _check(row)
            current = await row.current()
            return None if current is None else current.occurrence

    async def pause(self, *, by: str | None = None) -> None:
        """Start no run until `resume`.

        A run that has failed and waits for its next attempt is abandoned.

        Args:
            by: Who pauses it, for the audit.
        """
        bus = await self._change("pause", by, lambda _: Change(paused, begun_too=True))
        bus.emit(ScheduledJobPaused, self.name)

    async def resume(self, *, by: str | None = None) -> None:
        """Plan the next run; runs that were missed while it was paused are not made up.

        Args:
            by: Who resumes it, for the audit.
        """
        bus = await self._change("resume", by, lambda _: Change(resumed))
        bus.emit(ScheduledJobResumed, self.name)

    async def replace(self, schedule: Schedule, *, by: str | None = None) -> None:
        """Follow another schedule from now on; a run that is due already comes first.

        A process that starts later with other settings returns to those.

        Args:
            schedule: The new schedule.
            by: Who replaces it, for the audit.

        Raises:
            NoOccurrenceError: The schedule has ended; nothing is changed.
        """

        def follow(row: ScheduledRow) -> Change:
            row.follow(schedule)
            return Change(partial(replanned, recurrence=row.recurrence))

        self._services.lifecycle.check()
        check_schedule("replace", schedule)
        schedule.next_after(self._services.time.now())
        await self._change("replace", by, follow)

    async def trigger(self, *, by: str | None = None) -> Job:
        """Enqueue an extra run; the planned run stays. Raises the same as `Client.enqueue`.

        Args:
            by: Who triggers it, for the audit.
        """
        self._services.lifecycle.check()
        async with self._open_row() as row, self._audited("trigger", by) as action:
            _check(row)
            [job] = await enqueue_for_any(self._services, [row.request])
            action.changed = 1
            return job

    async def _change(
        self, what: str, by: str | None, change: Callable[[ScheduledRow], Change]
    ) -> Bus:
        """Make a change, and return the bus for the events of the scheduled job."""
        self._services.lifecycle.check()
        async with self._open_row() as row, self._audited(what, by) as action:
            _check(row)
            row.add(change(row))
            action.changed = None  # it stays pending after an error where this process runs it
            await row.apply_pending()
            action.changed = 1
            return row.bus

    def _audited(self, what: str, by: str | None) -> AbstractAsyncContextManager[Action]:
        return audited(self._services, f"{what}_schedule", self.name, by)


@final
class ScheduledJobControl(ScheduleControl):
    """A scheduled job of a running application: pause it, change it, trigger it.

    A change is written to its one row, which all processes share. So it holds for all of them,
    and outlives this process. A run that has begun ends first. If this process runs it, the
    change is made at its end, and the call does not wait. If another process runs it, the call
    waits for its end. After a cancellation or an error of the call, this process still makes
    the change later, if it was recorded; when it stops, it tries once more without waiting.
    """

    def __init__(self, row: KeptRow, services: ClientServices) -> None:
        super().__init__(row.name, services, lambda: nullcontext(row))
        self._row = row

    @property
    def config(self) -> ScheduledJob:
        """The settings, with the schedule that this process has last set."""
        return self._row.job


def _check(row: ScheduledRow) -> None:
    if row.removed:
        raise NotRunningError(row.name)
