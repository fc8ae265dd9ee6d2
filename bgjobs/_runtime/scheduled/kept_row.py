"""The row of a scheduled job that this process runs, and the plan of its next run.

The task of the scheduled job (`runner`) applies pending changes, also those of callers that
were cancelled, and keeps the row as the settings say. While this process runs the row, changes
stay pending until its end: they are written together with the next run.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import final

from anyio import WouldBlock
from attrs import evolve

from bgjobs._core.config import ScheduledJob
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.outcomes import RetryPolicy
from bgjobs._core.recurrence import (
    first,
    following,
    has_begun,
    instead_of,
    is_ahead,
    is_plausible,
    put_right,
    restarted,
    unchanged,
)
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.scheduled.planner import IMPOSSIBLE, Change, PlannedRun
from bgjobs._runtime.scheduled.row import ScheduledRow
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import NoOccurrenceError, ScheduleValidationError, StoreError
from bgjobs.events import QueueError
from bgjobs.schedules.base import Schedule
from bgjobs.stores.types import NewJob


@final
class KeptRow(ScheduledRow):
    """Keeps the row of a scheduled job as this process wants it."""

    def __init__(self, job: ScheduledJob, services: WorkerServices, bus: Bus) -> None:
        super().__init__(job.recurrence, job.run_request(), services, bus)
        self.job: ScheduledJob = job
        """The settings that are in force in this process."""
        policy = RetryPolicy().overridden(job.worker.max_retries, job.worker.backoff)
        self.policy: RetryPolicy = policy.overridden(job.max_retries, job.backoff)
        self._is_running = services.is_running
        self.add(self._as_configured())

    def follow(self, schedule: Schedule) -> None:
        """Follow another schedule from now on."""
        super().follow(schedule)
        self.job = evolve(self.job, schedule=schedule)

    def remove(self) -> None:
        """Drop all other changes, plan no run after the current one, and delete the row."""
        self.removed = True
        self.pending.clear()
        self.add(Change(unchanged, begun_too=True))

    def close(self) -> None:
        """End its subscriptions and its listeners."""
        super().close()
        self.bus.remove_listeners()

    async def maintain(self) -> None:
        """Apply pending changes; plan again a row that is missing or waits too long."""
        if not self.removed:  # also if a change waits for a run that waits too long itself
            current = await self.current()
            if current is None or await self._is_foreign(current):
                if not self.pending:
                    self.add(self._as_configured())
            elif await self._is_ahead(current):
                self.add(Change(put_right, begun_too=True))
        await self.apply_pending()

    async def try_to_apply(self) -> None:
        """Apply pending changes, unless another task or process is in the way."""
        try:
            self._lock.acquire_nowait()
        except WouldBlock:  # another task is applying them
            return
        try:
            if self.pending:
                await self._step()
        finally:
            self._lock.release()

    def clock_was_set(self) -> None:
        """See `Scheduled.clock_was_set`."""
        self.wakeup.set()

    async def apply_at_the_end(self) -> None:
        """Try once more to apply changes that no later start would make by itself.

        All runs have ended, and the application ends: if it fails now, `QueueError` is emitted
        and the changes are lost.
        """
        if all(change.configured for change in self.pending):
            return
        try:
            await self.apply_pending()
        except (StoreError, *IMPOSSIBLE) as error:
            self.bus.emit(QueueError, self.name, error)

    def follower(self, ended: Job, now: datetime, *, dropped: bool) -> NewJob | None:
        """See `Scheduled.follower`; it includes the pending changes."""
        if ended.occurrence is None or self.removed:
            return None
        begin = partial(self._planned_after, ended.occurrence, dropped=dropped)
        try:
            new = self._changed(begin, now, ended)
        except NoOccurrenceError as error:
            self.bus.emit(QueueError, self.name, error)
            return None
        return evolve(new, after=ended.reservation)

    def run_settled(self, followers: Sequence[PlannedRun]) -> None:
        """See `Scheduled.run_settled`; the changes in the next run are no longer pending."""
        for run in followers:
            self._drop(run.changes)
        if self.pending:
            self.wakeup.set()

    def _planned_after(self, ended: Occurrence, now: datetime, *, dropped: bool) -> Occurrence:
        step = instead_of if dropped else following
        if not is_plausible(ended, self.name):
            return first(self.recurrence, now)
        try:
            planned = step(ended, now)
        except ScheduleValidationError:  # of a newer version, or an unknown time zone
            planned = evolve(first(self.recurrence, max(now, ended.at)), previous=ended.at)
        was_set_back = planned.previous is not None and planned.previous > now
        return put_right(planned, now) if was_set_back else planned

    async def _is_ahead(self, current: Job) -> bool:
        """Whether its time must be corrected, because the store's clock was set back."""
        time = self._services.time
        if time.is_unsure or is_ahead(current, time.now()):
            await self._compare_clocks()
        return is_ahead(current, time.now())

    def _is_deferred(self, current: Job) -> bool:
        if current.reserved_by is not None:
            return self._is_running(current.id)
        return has_begun(current) and not any(one.begun_too for one in self.pending)

    def _as_configured(self) -> Change:
        step = partial(restarted, recurrence=self.recurrence)
        return Change(step, request=self.request, configured=True)
