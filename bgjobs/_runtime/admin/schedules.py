"""The scheduled jobs of a configuration, also where this process does not run them."""

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
"""Scheduled jobs that are listed by their rows alone, and rows that are read at once."""


@final
@frozen
class ScheduleState:
    """A scheduled job, and the one row that it has."""

    name: str
    worker: str
    schedule: Schedule | None
    """As the configuration has it, or else the row; None where that cannot be read here."""
    occurrence: Occurrence | None
    """What waits or runs; None before the first process with it has started."""
    running: bool
    is_configured: bool = True
    """Whether this process knows it; else there is only its row, of whatever process."""

    @property
    def paused(self) -> bool:
        """Whether it waits to be resumed."""
        return self.occurrence is not None and self.occurrence.paused


def _state_of(row: Job) -> ScheduleState | None:
    """Describe a scheduled job by its row alone; None if it is the row of none."""
    occurrence = row.occurrence
    if occurrence is None or row.unique_key != occurrence.recurrence.unique_key:
        return None
    try:
        schedule = from_text(occurrence.recurrence.schedule)
    except ScheduleValidationError:  # of another version, or in a zone that is unknown here
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
    """Looks scheduled jobs up, and changes their rows."""

    def __init__(
        self, services: Services, children: Children, jobs: Sequence[ScheduledJob]
    ) -> None:
        self._services = services
        self._children = children
        self._jobs = jobs
        self._controls: dict[str, ScheduledJobControl] = {}

    async def states(self) -> Sequence[ScheduleState]:
        """Return all of them: configured ones, those added at run time, and those of others."""
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
        """Give one of them; `UnknownNameError` when there is none."""
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
            row.pending.clear()  # to plan it as configured is for those that run it
            self._controls[job.name] = ScheduledJobControl(row, self._services)
        return self._controls[job.name]

    async def _state(self, job: ScheduledJob) -> ScheduleState:
        find, key = self._services.store.find_unique, job.recurrence.unique_key
        try:
            row = await self._services.dispatch.call(find, job.worker.name, key)
        except UnreadableJobError:  # the scheduled job plans another one
            row = None
        return ScheduleState(
            name=job.name,
            worker=job.worker.name,
            schedule=job.schedule,
            occurrence=None if row is None else row.occurrence,
            running=row is not None and row.reserved_by is not None,
        )
