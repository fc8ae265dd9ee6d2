"""The one stored row of a scheduled job, and the changes that wait to be written to it.

A change is a pure function from the stored occurrence to the wanted one. It stays pending while
the row runs, here or in another process, and while the store is unavailable. Once it is written
it is dropped, so a later change by another process is not undone. The task of the scheduled job
(`runner`) applies pending changes, and so do callers of `ScheduledJobControl`; the cancellation
of either leaves them pending.
"""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from random import Random
from typing import final
from uuid import UUID

from anyio import Lock, WouldBlock, move_on_after
from attrs import evolve

from bgjobs._core.config import ScheduledJob
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.outcomes import RetryPolicy
from bgjobs._core.recurrence import (
    first,
    following,
    has_begun,
    instead_of,
    is_ahead,
    is_foreign,
    is_plausible,
    put_right,
    restarted,
    unchanged,
)
from bgjobs._core.requests import JobRequest
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.cancellation import raise_if_cancelled
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.ticket import answer_error
from bgjobs._runtime.persistence.unreadable import set_apart
from bgjobs._runtime.scheduled.planner import IMPOSSIBLE, Change, PlannedRun, occurrence_of
from bgjobs._runtime.services import Services
from bgjobs.errors import (
    NoOccurrenceError,
    ScheduleValidationError,
    StoreError,
    UnreadableJobError,
)
from bgjobs.events import OccurrencePlanned, OccurrenceReplanned, QueueError
from bgjobs.stores.types import NewJob

RECHECK = 0.5
"""Seconds between two checks of a row that another process runs, without a notification."""


@final
class ScheduledRow:
    """Writes and maintains the row of a scheduled job as this application wants it."""

    def __init__(self, job: ScheduledJob, services: Services, bus: Bus) -> None:
        self.job = job
        """The settings that are in force in this process."""
        self.worker: str = job.worker.name
        self.bus = bus
        self.policy: RetryPolicy = RetryPolicy(max_retries=job.max_retries, backoff=job.backoff)
        self.pending: list[Change] = []
        """The changes that are not in the row yet, oldest first."""
        self.removed: bool = False
        self.wakeup: Wakeup = Wakeup()
        """Set when the row may need a change."""
        self._services = services
        self._random = Random()
        self._lock = Lock()
        self._notified = services.wakeups.subscribe([self.worker])
        self._unconfirmed: tuple[UUID, Occurrence | None] | None = None
        self.add(self._as_configured())

    def add(self, change: Change) -> None:
        """Add a change; it will be applied even if the caller is cancelled."""
        self.pending.append(change)
        self.wakeup.set()

    def remove(self) -> None:
        """Drop all other changes, plan no run after the current one, and delete the row."""
        self.removed = True
        self.pending.clear()
        self.add(Change(unchanged, begun_too=True))

    def close(self) -> None:
        """End its subscriptions and its listeners."""
        self._services.wakeups.unsubscribe(self._notified)
        self.bus.remove_listeners()

    async def current(self) -> Job | None:
        """Return the stored row, or None if there is none that can be read."""
        find, key = self._services.store.find_unique, self.job.recurrence.unique_key
        try:
            return await self._services.dispatch.call(find, self.worker, key)
        except UnreadableJobError as error:
            await set_apart(self._services, [error.job])
            return None

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

    async def apply_pending(self) -> None:
        """Apply the pending changes; they stay pending while this process runs the row.

        Waits while another process runs the row, unless this application stops.
        """
        await raise_if_cancelled()  # before the lock, which calls AnyIO's own check
        async with self._lock:
            while self.pending and not await self._step():
                if self._services.lifecycle.is_ending:
                    return
                with move_on_after(RECHECK):
                    await self._notified.wait()

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
            self.bus.emit(QueueError, self.job.name, error)

    def follower(self, ended: Job, now: datetime, *, dropped: bool) -> NewJob | None:
        """See `Scheduled.follower`; it includes the pending changes."""
        if ended.occurrence is None or self.removed:
            return None
        begin = partial(self._planned_after, ended.occurrence, dropped=dropped)
        try:
            new = self._changed(begin, now, ended)
        except NoOccurrenceError as error:
            self.bus.emit(QueueError, self.job.name, error)
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
        if not is_plausible(ended, self.job.name):
            return first(self.job.recurrence, now)
        try:
            planned = step(ended, now)
        except ScheduleValidationError:  # of a newer version, or an unknown time zone
            planned = evolve(first(self.job.recurrence, max(now, ended.at)), previous=ended.at)
        was_set_back = planned.previous is not None and planned.previous > now
        return put_right(planned, now) if was_set_back else planned

    async def _is_foreign(self, current: Job) -> bool:
        """Whether to replace the row because it was not planned for this scheduled job.

        A reserved row is ended by its owner alone.
        """
        plan, time = self.job.recurrence, self._services.time
        if current.reserved_by is not None or not is_foreign(current, plan, time.now()):
            return False
        await self._compare_clocks()  # the store's clock may have been set
        return is_foreign(current, plan, time.now())

    async def _is_ahead(self, current: Job) -> bool:
        """Whether its time must be corrected, because the store's clock was set back."""
        time = self._services.time
        if time.is_unsure or is_ahead(current, time.now()):
            await self._compare_clocks()
        return is_ahead(current, time.now())

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
        new = self._wanted(None if is_theirs else current)
        if current is None:
            done = new is None or await self._store_first(new)
        elif new is not None and _is_same(current, new):
            done = True
        else:
            done = current.reserved_by is None and await self._replace(current, new)
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
            lambda now: before or first(self.job.recurrence, now),
            self._services.time.now(),
            current,
        )

    def _is_deferred(self, current: Job) -> bool:
        if current.reserved_by is not None:
            return self._services.is_running(current.id)
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
                self.bus.emit(OccurrencePlanned, self.job.name, now.at)
            elif (before.at, before.paused) != (now.at, now.paused):
                self.bus.emit(OccurrenceReplanned, self.job.name, before.at, now.at)
        self._services.announce([self.worker])

    def _changed(
        self, begin: Callable[[datetime], Occurrence], now: datetime, job: Job | None
    ) -> NewJob:
        """Return the row for an occurrence with all pending changes, called as `job` was.

        The store applies them once more, by its own time. If a change fails because a schedule
        has ended or cannot be read, `QueueError` is emitted and the change is dropped.
        """
        if job is None:
            asked = self.job.run_request()
        else:
            asked = JobRequest(job.name, job.payload).priority(job.priority)
        planned = begin(now)
        for change in tuple(self.pending):
            try:
                planned = change.step(planned, now)
            except IMPOSSIBLE as error:
                self.bus.emit(QueueError, self.job.name, error)
                self.pending.remove(change)
            else:
                asked = change.request or asked
        run = PlannedRun(tuple(self.pending), planned, now, begin, asked, self._random)
        return NewJob(new_id(), run.request(), plan=run)

    def _as_configured(self) -> Change:
        step = partial(restarted, recurrence=self.job.recurrence)
        return Change(step, request=self.job.run_request(), configured=True)


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
