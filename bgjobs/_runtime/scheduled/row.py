"""The one row of a scheduled job, and how changes reach it.

A change is a pure step from the occurrence that stands to the one that is wanted. It stays
pending until it is in the row: the row may be running, here or elsewhere, or the store away.
Once it is there it is forgotten, so what another process changes later stands.
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
from bgjobs._runtime.persistence.ticket import fault_in
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
"""Seconds between two looks at a row that another process is running, if nothing is heard."""


@final
class ScheduledRow:
    """Keeps the row of a scheduled job as this application wants it."""

    def __init__(self, job: ScheduledJob, services: Services, bus: Bus) -> None:
        self.job = job
        """The settings in force here."""
        self.worker: str = job.worker.name
        self.bus = bus
        self.policy: RetryPolicy = RetryPolicy(max_retries=job.max_retries, backoff=job.backoff)
        self.pending: list[Change] = []
        """Oldest first."""
        self.removed: bool = False
        self.news: Wakeup = Wakeup()
        """Set when there may be something to do."""
        self._services = services
        self._random = Random()
        self._lock = Lock()
        self._elsewhere = services.wakeups.subscribe([self.worker])
        self._unsure: tuple[UUID, Occurrence | None] | None = None
        self.add(self._as_configured())

    def add(self, change: Change) -> None:
        """Note a change; it is brought about soon, whatever becomes of the caller."""
        self.pending.append(change)
        self.news.set()

    def remove(self) -> None:
        """Let nothing follow any more, and the row vanish, whatever else was wanted."""
        self.removed = True
        self.pending.clear()
        self.add(Change(unchanged, begun_too=True))

    def close(self) -> None:
        """Hear and tell no more."""
        self._services.wakeups.unsubscribe(self._elsewhere)
        self.bus.remove_listeners()

    async def standing(self) -> Job | None:
        """Return the row, or None where there is none that can be read."""
        find, key = self._services.store.find_unique, self.job.recurrence.unique_key
        try:
            return await self._services.dispatch.call(find, self.worker, key)
        except UnreadableJobError as error:
            await set_apart(self._services, [error.job])
            return None

    async def look_after(self) -> None:
        """Bring about what is pending; plan a row again that has vanished or waits too long."""
        if not self.removed:  # also while a change waits for the end of a run that waits itself
            standing = await self.standing()
            if standing is None or await self._is_foreign(standing):
                if not self.pending:
                    self.add(self._as_configured())
            elif await self._is_ahead(standing):
                self.add(Change(put_right, begun_too=True))
        await self.bring_about()

    async def look_once(self) -> None:
        """Bring about what can be now, without waiting for anybody."""
        try:
            self._lock.acquire_nowait()
        except WouldBlock:  # somebody is about it
            return
        try:
            if self.pending:
                await self._step()
        finally:
            self._lock.release()

    def clock_was_set(self) -> None:
        """See `Scheduled.clock_was_set`."""
        self.news.set()

    async def bring_about(self) -> None:
        """Bring the pending changes to the row; they stay pending while it is run here.

        Waits while another process runs it, unless this application stops.
        """
        await raise_if_cancelled()  # before the lock, which uses AnyIO's own
        async with self._lock:
            while self.pending and not await self._step():
                if self._services.lifecycle.is_ending:
                    return
                with move_on_after(RECHECK):
                    await self._elsewhere.wait()

    async def bring_about_last(self) -> None:
        """Try once more what no start would ask for again, after all runs have ended.

        The application ends: what cannot be done now is told and given up.
        """
        if all(change.configured for change in self.pending):
            return
        try:
            await self.bring_about()
        except (StoreError, *IMPOSSIBLE) as error:
            self.bus.emit(QueueError, self.job.name, error)

    def follower(self, ended: Job, now: datetime, *, dropped: bool) -> NewJob | None:
        """See `Scheduled.follower`; the pending changes count."""
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
        """See `Scheduled.run_settled`; what went into the next run is pending no more."""
        for run in followers:
            self._forget(run.changes)
        if self.pending:
            self.news.set()

    def _planned_after(self, ended: Occurrence, now: datetime, *, dropped: bool) -> Occurrence:
        step = instead_of if dropped else following
        if not is_plausible(ended, self.job.name):
            return first(self.job.recurrence, now)
        try:
            planned = step(ended, now)
        except ScheduleValidationError:  # a newer version wrote it, or its zone is unknown here
            planned = evolve(first(self.job.recurrence, max(now, ended.at)), previous=ended.at)
        was_set_back = planned.previous is not None and planned.previous > now
        return put_right(planned, now) if was_set_back else planned

    async def _is_foreign(self, standing: Job) -> bool:
        """Whether it is to be replaced: only the row's holder ends one that is reserved."""
        plan, time = self.job.recurrence, self._services.time
        if standing.reserved_by is not None or not is_foreign(standing, plan, time.now()):
            return False
        await self._compare_clocks()  # it is planned by the store's, which may have been set
        return is_foreign(standing, plan, time.now())

    async def _is_ahead(self, standing: Job) -> bool:
        """Whether its time has to be put right, by the store's clock where that was set."""
        time = self._services.time
        if time.is_unsure or is_ahead(standing, time.now()):
            await self._compare_clocks()
        return is_ahead(standing, time.now())

    async def _compare_clocks(self) -> None:
        services = self._services
        lease = as_duration(services.config.lease)
        await services.dispatch.call(services.time.heartbeat, (), lease)

    async def _step(self) -> bool:
        """Bring about what can be now; False when another process is in the way."""
        pending, standing = tuple(self.pending), await self.standing()
        self._tell_what_was_unsure(standing)
        is_theirs = standing is not None and await self._is_foreign(standing)
        if standing is not None and not is_theirs and self._is_put_off(standing):
            return True
        new = self._wanted(None if is_theirs else standing)
        if standing is None:
            done = new is None or await self._store_first(new)
        elif new is not None and _is_same(standing, new):
            done = True
        else:
            done = standing.reserved_by is None and await self._replace(standing, new)
        if done:
            self._forget(pending)
        return done

    def _forget(self, changes: Collection[Change]) -> None:
        self.pending = [one for one in self.pending if one not in changes]

    def _wanted(self, standing: Job | None) -> NewJob | None:
        """Give what shall stand; None for nothing."""
        if self.removed:
            return None
        before = None if standing is None else standing.occurrence
        return self._changed(
            lambda now: before or first(self.job.recurrence, now),
            self._services.time.now(),
            standing,
        )

    def _is_put_off(self, standing: Job) -> bool:
        if standing.reserved_by is not None:
            return self._services.is_running(standing.id)
        return has_begun(standing) and not any(one.begun_too for one in self.pending)

    async def _store_first(self, new: NewJob) -> bool:
        """Store it in a transaction of its own.

        Another one may hold its key for as long as it likes, and no other job waits with it.
        """
        services = self._services
        self._unsure = new.id, None
        write, now = services.store.write, services.clock.store_now()
        asked = evolve(new, repeated=True)  # an earlier try may have stored it
        try:
            written = await services.dispatch.call(write, [asked], now=now)
        except UnreadableJobError as error:
            await set_apart(services, [error.job])
            return False
        if fault := fault_in(written, 1, services.store.label):
            raise fault
        [stored] = written.jobs
        self._tell_what_was_unsure(stored)
        return stored.id == new.id

    async def _replace(self, standing: Job, new: NewJob | None) -> bool:
        services = self._services
        if new is not None:
            self._unsure = new.id, standing.occurrence
        now = services.clock.store_now()
        replaced = await services.dispatch.call(services.store.replace, standing, new, now=now)
        if replaced and new is not None:
            self._tell(standing.occurrence, occurrence_of(new))
        return replaced

    def _tell_what_was_unsure(self, standing: Job | None) -> None:
        """Tell of a row whose storing was not answered, if it is what stands."""
        if self._unsure is not None and standing is not None and standing.id == self._unsure[0]:
            self._tell(self._unsure[1], standing.occurrence)

    def _tell(self, before: Occurrence | None, now: Occurrence | None) -> None:
        self._unsure = None
        if now is not None and not now.paused:
            if before is None:
                self.bus.emit(OccurrencePlanned, self.job.name, now.at)
            elif (before.at, before.paused) != (now.at, now.paused):
                self.bus.emit(OccurrenceReplanned, self.job.name, before.at, now.at)
        self._services.announce([self.worker])

    def _changed(
        self, begin: Callable[[datetime], Occurrence], now: datetime, job: Job | None
    ) -> NewJob:
        """Apply what is pending to an occurrence whose run is called as that of `job` was.

        The store does it once more, by its own time. A change that cannot be made, because
        a schedule has ended or cannot be read, is told and forgotten: the others are made.
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


def _is_same(standing: Job, new: NewJob) -> bool:
    asked = new.request
    return (
        not has_begun(standing)  # or else it would be put off, or waits for too long
        and standing.occurrence == asked.options.occurrence
        and _is_same_json(standing.payload, asked.payload)
        and standing.priority == asked.options.priority
    )


def _is_same_json(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        # Equal dicts may be in another order. As text again, for True equals 1.
        first_text, second_text = (
            json.dumps(json.loads(text), sort_keys=True) for text in (one, other)
        )
    except (ValueError, RecursionError):  # a row that nothing can read is replaced
        return False
    return first_text == second_text
