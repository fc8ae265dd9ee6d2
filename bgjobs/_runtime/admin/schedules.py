"""The scheduled jobs of the configuration and of other processes, for `Admin`."""

from collections.abc import Collection, Sequence
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_text
from bgjobs._core.config import ScheduledJob
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._runtime.persistence.unreadable import readable
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.scheduled.row import ScheduledRow
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.children import Children
from bgjobs.errors import ScheduleValidationError, UnknownNameError, UnreadableJobError
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
        """Whether it is paused, until `ScheduledJobControl.resume`."""
        return self.occurrence is not None and self.occurrence.paused


def _state_of(row: Job) -> ScheduleState | None:
    """Return the state of a scheduled job from its row; None if it is no such row."""
    occurrence = row.occurrence
    if occurrence is None or row.unique_key != occurrence.recurrence.unique_key:
        return None
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


@final
class ScheduleAdmin:
    """Finds scheduled jobs and their rows."""

    def __init__(
        self, services: Services, children: Children, jobs: Sequence[ScheduledJob]
    ) -> None:
        self._services = services
        self._children = children
        self._jobs = jobs
        self._controls: dict[str, ScheduledJobControl] = {}

    async def states(self) -> Sequence[ScheduleState]:
        """Return configured scheduled jobs, those added at run time, and those of others."""
        known = self._known()
        here = [await self._state(job) for job in known.values()]
        workers = {(name, job.worker.name) for name, job in known.items()}
        return [*here, *await self._elsewhere(workers)]

    async def _elsewhere(self, known: Collection[tuple[str, str]]) -> list[ScheduleState]:
        operations = operations_of(self._services.store)
        if operations is None:
            return []

        async def ask(page: Page) -> Sequence[Job]:
            return await self._services.dispatch.call(operations.get_occurrences, page)

        found: list[ScheduleState] = []
        page = Page(MOST_ROWS)
        while len(found) < MOST_ROWS and (rows := await readable(self._services, ask, page)):
            states = map(_state_of, rows)
            found += [one for one in states if one and (one.name, one.worker) not in known]
            page = page.behind(rows)
        return sorted(found[:MOST_ROWS], key=lambda state: (state.name, state.worker))

    def control(self, name: str) -> ScheduledJobControl:
        """Return the scheduled job of this name; raise `UnknownNameError` if there is none."""
        check_text("schedule", name)
        known = self._known()
        if name not in known:
            raise UnknownNameError("scheduled job", name, known)
        running = {control.name: control for control in self._children.scheduled_jobs}
        return running.get(name) or self._control_of(known[name])

    def _known(self) -> dict[str, ScheduledJob]:
        running = {control.name: control.config for control in self._children.scheduled_jobs}
        return {job.name: job for job in self._jobs} | running

    def _control_of(self, job: ScheduledJob) -> ScheduledJobControl:
        if job.name not in self._controls:
            row = ScheduledRow(job, self._services, self._services.bus)
            row.pending.clear()  # only processes that run it plan it as configured
            self._controls[job.name] = ScheduledJobControl(row, self._services)
        return self._controls[job.name]

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
