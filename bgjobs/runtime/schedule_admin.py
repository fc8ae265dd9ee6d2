"""The scheduled jobs of a configuration, also where this process does not run them."""

from collections.abc import Sequence
from typing import final

from attrs import frozen

from bgjobs.config import ScheduledJob
from bgjobs.errors import UnknownNameError, UnreadableJobError
from bgjobs.expecting import check_text
from bgjobs.occurrences import Occurrence
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.scheduled_job_control import ScheduledJobControl
from bgjobs.runtime.scheduled_row import ScheduledRow
from bgjobs.runtime.tree import Tree
from bgjobs.schedules.base import Schedule


@final
@frozen
class ScheduleState:
    """A scheduled job, and the one row that it has."""

    name: str
    worker: str
    schedule: Schedule
    """As the configuration has it."""
    occurrence: Occurrence | None
    """What waits or runs; None before the first process with it has started."""
    running: bool

    @property
    def paused(self) -> bool:
        """Whether it waits to be resumed."""
        return self.occurrence is not None and self.occurrence.paused


@final
class ScheduleAdmin:
    """Looks scheduled jobs up, and changes their rows."""

    def __init__(self, engine: Engine, tree: Tree, jobs: Sequence[ScheduledJob]) -> None:
        self._engine = engine
        self._tree = tree
        self._jobs = jobs
        self._controls: dict[str, ScheduledJobControl] = {}

    async def states(self) -> Sequence[ScheduleState]:
        """Give all of them, those that were added at run time behind the others."""
        return [await self._state(job) for job in self._known().values()]

    def control(self, name: str) -> ScheduledJobControl:
        """Give one of them; `UnknownNameError` when there is none."""
        check_text("schedule", name)
        known = self._known()
        if name not in known:
            raise UnknownNameError("scheduled job", name, known)
        running = {control.name: control for control in self._tree.scheduled_jobs}
        return running.get(name) or self._control_of(known[name])

    def _known(self) -> dict[str, ScheduledJob]:
        running = {control.name: control.config for control in self._tree.scheduled_jobs}
        return {job.name: job for job in self._jobs} | running

    def _control_of(self, job: ScheduledJob) -> ScheduledJobControl:
        if job.name not in self._controls:
            row = ScheduledRow(job, self._engine, self._engine.bus)
            row.pending.clear()  # to plan it as configured is for those that run it
            self._controls[job.name] = ScheduledJobControl(row, self._engine)
        return self._controls[job.name]

    async def _state(self, job: ScheduledJob) -> ScheduleState:
        find, key = self._engine.store.find_unique, job.plan.unique_key
        try:
            row = await self._engine.dispatch.call(find, job.worker.name, key)
        except UnreadableJobError:  # the scheduled job plans another one
            row = None
        return ScheduleState(
            name=job.name,
            worker=job.worker.name,
            schedule=job.schedule,
            occurrence=None if row is None else row.occurrence,
            running=row is not None and row.reserved_by is not None,
        )
