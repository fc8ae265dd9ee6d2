"""The one stored row of a scheduled job, and the changes that wait to be written to it.

A change is a pure function from the stored occurrence to the wanted one. It stays pending while
the row runs, here or in another process, and while the store is unavailable. Once it is written
it is dropped, so a later change by another process is not undone. No task belongs to it: the
callers of `ScheduleControl` apply the changes, and `KeptRow` those of a scheduled job that this
process runs.
"""

import json
from collections.abc import Callable, Collection
from datetime import datetime
from random import Random
from uuid import UUID

from anyio import Lock, move_on_after
from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.recurrence import first, has_begun, is_foreign
from bgjobs._core.requests import JobRequest
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.cancellation import raise_if_cancelled
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.ticket import answer_error
from bgjobs._runtime.persistence.unreadable import set_apart
from bgjobs._runtime.scheduled.planner import IMPOSSIBLE, Change, PlannedRun, occurrence_of
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import BgJobsError, UnreadableJobError
from bgjobs.events import OccurrencePlanned, OccurrenceReplanned, QueueError
from bgjobs.schedules.base import Schedule
from bgjobs.stores.types import NewJob, Notice

RECHECK = 0.5
"""Seconds between two checks of a row that another process runs, without a notification."""


class RowMissingError(BgJobsError):
    """A scheduled job that is known from its row alone has no row any more."""


class ScheduledRow:
    """Reads the row of a scheduled job, and writes changes to it."""

    def __init__(
        self,
        recurrence: Recurrence,
        request: JobRequest,
        services: ClientServices,
        bus: Bus,
        *,
        may_create: bool = True,
    ) -> None:
        self.recurrence: Recurrence = recurrence
        """How the scheduled job recurs while it has no row."""
        self.request: JobRequest = request
        """The request of each run while there is no row."""
        self.bus = bus
        self.pending: list[Change] = []
        """The changes that are not in the row yet, oldest first."""
        self.removed: bool = False
        self.wakeup: Wakeup = Wakeup()
        """Set when the row may need a change."""
        self._may_create = may_create
        self._services = services
        self._random = Random()
        self._lock = Lock()
        self._notified = services.wakeups.subscribe([self.worker])
        self._unconfirmed: tuple[UUID, Occurrence | None] | None = None

    @property
    def name(self) -> str:
        """The name of the scheduled job."""
        return self.recurrence.name

    @property
    def worker(self) -> str:
        """The name of its worker."""
        return self.request.name

    def add(self, change: Change) -> None:
        """Add a change; it will be applied even if the caller is cancelled."""
        self.pending.append(change)
        self.wakeup.set()

    def follow(self, schedule: Schedule) -> None:
        """Follow another schedule from now on."""
        self.recurrence = evolve(self.recurrence, schedule=schedule.text)

    def close(self) -> None:
        """End its subscriptions."""
        self._services.wakeups.unsubscribe(self._notified)

    async def current(self) -> Job | None:
        """Return the stored row, or None if there is none that can be read."""
        find, key = self._services.store.find_unique, self.recurrence.unique_key
        try:
            return await self._services.dispatch.call(find, self.worker, key)
        except UnreadableJobError as error:
            await set_apart(self._services, [error.job])
            return None

    async def apply_pending(self) -> None:
        """Apply the pending changes; they stay pending while this process runs the row.

        Waits while another process runs the row, unless this application stops.

        Raises:
            RowMissingError: There is no row, and it must not be created.
        """
        await raise_if_cancelled()  # before the lock, which calls AnyIO's own check
        async with self._lock:
            while self.pending and not await self._step():
                if self._services.lifecycle.is_ending:
                    return
                with move_on_after(RECHECK):
                    await self._notified.wait()

    async def _is_foreign(self, current: Job) -> bool:
        """Whether to replace the row because it was not planned for this scheduled job.

        A reserved row is ended by its owner alone.
        """
        plan, time = self.recurrence, self._services.time
        if current.reserved_by is not None or not is_foreign(current, plan, time.now()):
            return False
        await self._compare_clocks()  # the store's clock may have been set
        return is_foreign(current, plan, time.now())

    async def _compare_clocks(self) -> None:
        services = self._services
        lease = as_duration(services.config.lease)
        await services.dispatch.call(services.time.heartbeat, (), lease)

    async def _step(self) -> bool:
        """Apply what is possible now. Return False if another process is in the way."""
        pending, current = tuple(self.pending), await self.current()
        self._emit_unconfirmed(current)
        is_theirs = current is not None and await self._is_foreign(current)
        if current is not None and not is_theirs and self._is_deferred(current):
            return True
        if current is None and not self._may_create:
            raise RowMissingError
        new = self._wanted(None if is_theirs else current)
        if current is None:
            done = new is None or await self._store_first(new)
        elif new is not None and _is_same(current, new):
            done = True
        else:
            is_free = is_theirs or not self._must_end_first(current)
            done = is_free and await self._replace(current, new)
        if done:
            self._drop(pending)
        return done

    def _drop(self, changes: Collection[Change]) -> None:
        self.pending = [one for one in self.pending if one not in changes]

    def _wanted(self, current: Job | None) -> NewJob | None:
        """Return the row that is wanted; None if there should be none."""
        if self.removed:
            return None
        before = None if current is None else current.occurrence
        return self._changed(
            lambda now: before or first(self.recurrence, now),
            self._services.time.now(),
            current,
        )

    def _is_deferred(self, current: Job) -> bool:  # noqa: ARG002 - overridden
        """Whether the changes wait for the end of a run, and another task makes them then."""
        return False

    def _must_end_first(self, current: Job) -> bool:
        """Whether a run has begun that must end before the changes are written."""
        if current.reserved_by is not None:
            return True
        return has_begun(current) and not any(one.begun_too for one in self.pending)

    async def _store_first(self, new: NewJob) -> bool:
        """Store the row in a transaction of its own.

        Another transaction may hold its unique key for any time, and no other job should wait.
        """
        services = self._services
        self._unconfirmed = new.id, None
        write, now = services.store.write, services.clock.store_now()
        asked = evolve(new, repeated=True)  # an earlier try may have stored it
        try:
            written = await services.dispatch.call(write, [asked], now=now)
        except UnreadableJobError as unreadable:
            await set_apart(services, [unreadable.job])
            return False
        if error := answer_error(written, 1, services.store.label):
            raise error
        [stored] = written.jobs
        self._emit_unconfirmed(stored)
        return stored.id == new.id

    async def _replace(self, current: Job, new: NewJob | None) -> bool:
        services = self._services
        if new is not None:
            self._unconfirmed = new.id, current.occurrence
        now = services.clock.store_now()
        replaced = await services.dispatch.call(services.store.replace, current, new, now=now)
        if replaced and new is not None:
            self._emit(current.occurrence, occurrence_of(new))
        return replaced

    def _emit_unconfirmed(self, current: Job | None) -> None:
        """Emit that a row was planned if its write had no answer, but is the stored one."""
        if self._unconfirmed is not None and current is not None:
            stored_id, before = self._unconfirmed
            if current.id == stored_id:
                self._emit(before, current.occurrence)

    def _emit(self, before: Occurrence | None, now: Occurrence | None) -> None:
        self._unconfirmed = None
        if now is not None and not now.paused:
            if before is None:
                self.bus.emit(OccurrencePlanned, self.name, now.at)
            elif (before.at, before.paused) != (now.at, now.paused):
                self.bus.emit(OccurrenceReplanned, self.name, before.at, now.at)
        self._services.announce(Notice(frozenset({self.worker})))

    def _changed(
        self, begin: Callable[[datetime], Occurrence], now: datetime, job: Job | None
    ) -> NewJob:
        """Return the row for an occurrence with all pending changes, called as `job` was.

        The store applies them once more, by its own time. If a change fails because a schedule
        has ended or cannot be read, `QueueError` is emitted and the change is dropped.
        """
        if job is None:
            asked = self.request
        else:
            asked = JobRequest(job.name, job.payload).priority(job.priority)
        planned = begin(now)
        for change in tuple(self.pending):
            try:
                planned = change.step(planned, now)
            except IMPOSSIBLE as error:
                self.bus.emit(QueueError, self.name, error)
                self.pending.remove(change)
            else:
                asked = change.request or asked
        run = PlannedRun(tuple(self.pending), planned, now, begin, asked, self._random)
        return NewJob(new_id(), run.request(), plan=run)


def _is_same(current: Job, new: NewJob) -> bool:
    asked = new.request
    return (
        not has_begun(current)  # else the change is deferred, or the row waits too long
        and current.occurrence == asked.options.occurrence
        and _is_same_json(current.payload, asked.payload)
        and current.priority == asked.options.priority
    )


def _is_same_json(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        # Equal dicts may differ in order. Compared as text, because True equals 1.
        first_text, second_text = (
            json.dumps(json.loads(text), sort_keys=True) for text in (one, other)
        )
    except (ValueError, RecursionError):  # a payload that cannot be read is replaced
        return False
    return first_text == second_text
