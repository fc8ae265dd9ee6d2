"""The scheduled jobs of the configuration and of other processes, for `Admin`."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from operator import itemgetter
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_name
from bgjobs._core.config import ScheduledJob
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.persistence.reads import readable
from bgjobs._runtime.scheduled.handle import ScheduleControl, ScheduledJobControl
from bgjobs._runtime.scheduled.row import RowMissingError, ScheduledRow
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import (
    AmbiguousScheduleError,
    NotRunningError,
    ScheduleValidationError,
    UnknownNameError,
    UnreadableJobError,
)
from bgjobs.schedules.base import Schedule
from bgjobs.schedules.text import from_text
from bgjobs.stores.operations import operations_of
from bgjobs.stores.pages import Page

MOST_ROWS = 1_000
"""Scheduled jobs of other processes that are listed, at most; also rows read in one call."""


@final
@frozen
class ScheduleState:
    """A scheduled job, with its waiting or running row."""

    name: str
    """The name of the scheduled job."""
    worker: str
    """The name of its worker."""
    schedule: Schedule | None
    """The schedule of the configuration, otherwise that of the row; None if this version of
    bgjobs cannot read the latter."""
    occurrence: Occurrence | None
    """The occurrence that waits or runs; None until a process has planned one."""
    running: bool
    """Whether the occurrence runs."""
    is_configured: bool = True
    """Whether this process has the scheduled job; otherwise only its row is known."""

    @property
    def paused(self) -> bool:
        """Whether it is paused, until `ScheduleControl.resume`."""
        return self.occurrence is not None and self.occurrence.paused


PlannedJob = tuple[Job, Occurrence]
"""The row of a scheduled job, and the occurrence that it serves."""


@final
class ScheduleAdmin:
    """Finds the scheduled jobs of all processes, and their rows."""

    def __init__(self, services: ClientServices, here: Sequence[ScheduledJobControl]) -> None:
        self._services = services
        self._here = here
        """Those that this process runs."""

    async def states(self) -> Sequence[ScheduleState]:
        """Return configured scheduled jobs, those added at run time, and those of others."""
        known = self._known()
        here = [await self._state(job) for job in known.values()]
        workers = {(name, job.worker.name) for name, job in known.items()}
        return [*here, *await self._elsewhere(workers)]

    def control(self, name: str) -> ScheduleControl:
        """Return the scheduled job of this name, whose methods find its row."""
        check_name("schedule", name)
        for one in self._here:
            if one.name == name:
                return one
        return ScheduleControl(name, self._services, partial(self._opened, name))

    @asynccontextmanager
    async def _opened(self, name: str) -> AsyncGenerator[ScheduledRow]:
        """Find the row of a scheduled job that this process does not run, for one change."""
        row = await self._find(name)
        try:
            yield row
        except RowMissingError:  # since it was found
            raise UnknownNameError("scheduled job", name, await self._names()) from None
        finally:
            row.close()
        if row.pending:
            raise NotRunningError

    async def _find(self, name: str) -> ScheduledRow:
        services, job = self._services, self._known().get(name)
        if job is not None:
            return ScheduledRow(job.recurrence, job.run_request(), services, services.bus)
        found: dict[str, PlannedJob] = {}
        async for row, occurrence in self._rows():
            if occurrence.recurrence.name == name:
                # By worker: the next row may follow while the pages are read.
                found[row.name] = row, occurrence
        if not found:
            raise UnknownNameError("scheduled job", name, await self._names())
        if len(found) > 1:
            raise AmbiguousScheduleError(name, [*found])
        [(row, occurrence)] = found.values()
        request = JobRequest(row.name, row.payload).priority(row.priority)
        return ScheduledRow(
            occurrence.recurrence, request, services, services.bus, may_create=False
        )

    async def _names(self) -> Collection[str]:
        planned = [one.recurrence.name async for _, one in self._rows()]
        return {*self._known(), *planned}

    async def _elsewhere(self, known: Collection[tuple[str, str]]) -> list[ScheduleState]:
        found: dict[tuple[str, str], ScheduleState] = {}
        async with aclosing(self._rows()) as rows:
            async for row, occurrence in rows:
                if len(found) == MOST_ROWS:
                    break
                key = occurrence.recurrence.name, row.name
                if key not in known:
                    found[key] = _state_of(row, occurrence)
        return [state for _, state in sorted(found.items(), key=itemgetter(0))]

    async def _rows(self) -> AsyncGenerator[PlannedJob]:
        """Yield the rows of scheduled jobs of all processes."""
        operations = operations_of(self._services.store)
        if operations is None:
            return

        async def ask(page: Page) -> Sequence[Job]:
            return await self._services.dispatch.call(operations.get_occurrences, page)

        page = Page(MOST_ROWS)
        while rows := await readable(self._services, ask, page):
            for row in rows:
                planned = row.occurrence
                if planned is not None and row.unique_key == planned.recurrence.unique_key:
                    yield row, planned
            page = page.behind(rows)

    def _known(self) -> dict[str, ScheduledJob]:
        configured = self._services.config.scheduled_jobs
        return {job.name: job for job in (*configured, *(one.config for one in self._here))}

    async def _state(self, job: ScheduledJob) -> ScheduleState:
        find, key = self._services.store.find_unique, job.recurrence.unique_key
        try:
            row = await self._services.dispatch.call(find, job.worker.name, key)
        except UnreadableJobError:  # its process plans another one
            row = None
        return ScheduleState(
            name=job.name,
            worker=job.worker.name,
            schedule=job.schedule,
            occurrence=None if row is None else row.occurrence,
            running=row is not None and row.reserved_by is not None,
        )


def _state_of(row: Job, occurrence: Occurrence) -> ScheduleState:
    """Return the state of a scheduled job from its row."""
    try:
        schedule = from_text(occurrence.recurrence.schedule)
    except ScheduleValidationError:  # of another version, or with an unknown time zone
        schedule = None
    return ScheduleState(
        name=occurrence.recurrence.name,
        worker=row.name,
        schedule=schedule,
        occurrence=occurrence,
        running=row.reserved_by is not None,
        is_configured=False,
    )
