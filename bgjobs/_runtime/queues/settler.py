"""Writes how attempts ended, while the slots go on with the next jobs.

`Settler.run` is a task of `Consumer`, which commits the ends that wait together. It ends after
`close`, when all of them are written. No cancellation cuts it off: only the end of the lease
does, and then the monitor of some process releases the jobs. Until then an unavailable store
is waited for. An end that is written with more than its job, as the next run of a schedule or
what the handler gave to `complete_with`, is written by the task of its slot.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import final
from uuid import UUID

from attrs import evolve, frozen

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.outcomes import (
    Cancelled,
    Discarded,
    Outcome,
    Raised,
    RetryPolicy,
    Returned,
    Snoozed,
    settle,
)
from bgjobs._core.settlements import Drop, Fail, Requeue, Settlement, Succeed
from bgjobs._core.text import error_text
from bgjobs._runtime.bus import Bus, callback_error
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.leases.guard import LeaseGuard
from bgjobs._runtime.leases.monitor import end_cancelled
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.group_commit import LARGEST_BATCH
from bgjobs._runtime.persistence.unreadable import HAS_RETURNED, REFUSED, set_refused_apart
from bgjobs._runtime.queues.attempt import Attempt, HandlerCrashedError, raised_by_work
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.services import Services
from bgjobs.backoff import Exponential
from bgjobs.errors import RowRefusedError
from bgjobs.events import (
    JobAttemptFailed,
    JobCancelled,
    JobDiscarded,
    JobFailed,
    JobReleased,
    JobSnoozed,
    JobSucceeded,
    QueueError,
    ReservationLost,
)
from bgjobs.stores.types import NewJob


def report_end(
    bus: Bus, queue: str, job: Job, outcome: Outcome, settlement: Settlement, seconds: float
) -> None:
    """Emit how a run ended, after it is committed."""
    match outcome, settlement:
        case _, Succeed():
            bus.emit(JobSucceeded, queue, job, seconds)
        case Discarded(reason), _:
            bus.emit(JobDiscarded, queue, job, reason)
        case Cancelled(reason), _:
            bus.emit(JobCancelled, queue, job, reason)
        case Snoozed(delay), _:
            bus.emit(JobSnoozed, queue, job, delay)
        case _, Fail(error=error):
            bus.emit_failure(JobFailed, queue, job, error)
        case _, Drop():
            pass  # the planner emits OccurrencesMissed
        case _, Requeue():
            _report_requeue(bus, queue, job, settlement)


def _report_requeue(bus: Bus, queue: str, job: Job, put_back: Requeue) -> None:
    if put_back.attempts == job.attempts:
        bus.emit(JobReleased, queue, job)
    else:
        delay = put_back.delay or timedelta(0)
        bus.emit(JobAttemptFailed, queue, job, put_back.errors[-1].error, delay)


MOST_REFUSED = 3
"""Ends of one kind that may be refused in a row; more is not a problem of single rows."""


@final
@frozen(eq=False)
class End:
    """An attempt that has ended, and what to write about its job."""

    attempt: Attempt
    outcome: Outcome
    settlement: Settlement
    followers: Sequence[NewJob]
    """The jobs that are stored with it: the next run of a scheduled job."""

    @property
    def goes_alone(self) -> bool:
        """Whether more than this end is written, which may take longer than other ends."""
        return bool(self.followers) or (
            isinstance(self.settlement, Succeed) and bool(self.attempt.completions)
        )


@final
class Settler:
    """Commits the ends of one start of a queue: all that wait at a time, together."""

    def __init__(
        self,
        control: QueueControl,
        services: Services,
        guard: LeaseGuard,
        culprits: set[UUID],
    ) -> None:
        queue = control.config
        self._culprits = culprits
        self._control = control
        self._services = services
        self._guard = guard
        self._policy = RetryPolicy(
            max_retries=queue.max_retries, backoff=queue.backoff, random=Random()
        )
        self._capped = frozenset(cap.name for cap in control.caps)
        self._ends: list[End] = []
        self._refused: dict[type[Settlement], int] = {}
        """How many ends of each kind were refused since one of that kind was written."""
        self._wakeup = Wakeup()
        self._closed = False

    async def run(self) -> None:
        """Write ends until `close`, and then the remaining ones; only the lease cuts it off."""
        await run_shielded(self._write_until_closed)

    def close(self) -> None:
        """Make `run` end as soon as all ends are written."""
        self._closed = True
        self._wakeup.set()

    def put(self, attempt: Attempt, outcome: Outcome) -> End | None:
        """Queue the end of an attempt to be written together with others.

        Returns an end that goes alone; the slot must pass it to `write_alone`.
        """
        attempt.ended = self._services.clock.monotonic()
        end = self._end(attempt, outcome)
        self._control.finish_one()
        if end.goes_alone:
            return end
        self._ends.append(end)
        self._wakeup.set()
        return None

    async def write_alone(self, end: End) -> None:
        """Write an end that goes alone."""
        await run_shielded(partial(self._write_in_time, end))

    async def _write_until_closed(self) -> None:
        while self._ends or not self._closed:
            if not self._ends:
                await self._wakeup.wait()
            ends, self._ends = self._ends[:LARGEST_BATCH], self._ends[LARGEST_BATCH:]
            if ends:
                with self._guard.settling():
                    await self._write(ends)

    async def _write_in_time(self, end: End) -> None:
        with self._guard.settling():
            await self._write_alone(end)

    def _end(self, attempt: Attempt, outcome: Outcome) -> End:
        if isinstance(outcome, Returned):  # a shortcut, as nearly all do
            settlement: Settlement = Succeed(attempt.job.reservation)
        else:
            settlement = self._decide(attempt, outcome)
        job = attempt.job
        followers = (
            () if job.occurrence is None else self._services.planner.followers(job, settlement)
        )
        return End(attempt, outcome, settlement, followers)

    def _decide(self, attempt: Attempt, outcome: Outcome) -> Settlement:
        job, limits = attempt.job, self._services.config.limits
        now = self._services.time.shown()
        scheduled = self._services.planner.scheduled(job)
        policy = self._policy if scheduled is None else scheduled.policy
        try:
            return settle(job, outcome, policy, limits, now)
        except BaseException as error:  # noqa: BLE001 - a user's backoff may raise anything
            bus = self._services.planner.bus_for(job, self._control.bus)
            bus.emit(QueueError, self._control.name, callback_error("backoff", error))
            return settle(job, outcome, evolve(policy, backoff=Exponential()), limits, now)

    async def _write(self, ends: Sequence[End]) -> None:
        settlements = [end.settlement for end in ends]
        written, refused = await self._services.settlements.settle_all(settlements)
        if not (refused or written.lost or written.cancelled):
            for end in ends:  # most often; a lookup would hash each reservation
                self._report(end, kept=True)
            if self._refused:
                self._reset_refused(ends)
            return
        for end in ends:
            held = end.settlement.reservation
            if isinstance(end.settlement, Requeue) and held in written.cancelled:
                await self._cancel(end, end.settlement, written.cancelled[held])
            elif held not in refused:
                self._report(end, kept=held not in written.lost)
        if refused:
            await self._set_refused_apart(ends, refused, written.lost)

    async def _set_refused_apart(
        self,
        ends: Sequence[End],
        refused: Mapping[Reservation, Exception],
        lost: Collection[Reservation],
    ) -> None:
        without = {*refused, *lost}
        written = [end for end in ends if end.settlement.reservation not in without]
        for end in ends:
            error = refused.get(end.settlement.reservation)
            if error is None:
                continue
            self._reset_refused(
                written
            )  # before each: others are written, so this is a single row
            if not await self._is_set_apart(end, error):
                self._culprits.add(end.attempt.job.id)
                self._control.bus.emit(QueueError, self._control.name, error)
                raise error

    async def _is_set_apart(self, end: End, error: Exception) -> bool:
        """Whether the row of a refused end was set apart, so only its own job is affected."""
        kind, job = type(end.settlement), end.attempt.job
        count = self._refused.get(kind, 0)
        if not isinstance(error, RowRefusedError) or count >= MOST_REFUSED:
            return False
        reason = HAS_RETURNED if kind is Succeed else REFUSED
        if not await set_refused_apart(self._services, job, reason):
            return False
        self._refused[kind] = count + 1
        self._release(end)
        return True

    def _reset_refused(self, written: Sequence[End]) -> None:
        for kind in {type(end.settlement) for end in written}:
            self._refused.pop(kind, None)

    async def _write_alone(self, end: End) -> None:
        try:
            await self._write_one(end)
        except RowRefusedError as error:
            if not await self._is_set_apart(end, error):
                raise

    async def _write_one(self, end: End) -> None:
        attempt, settlements = end.attempt, self._services.settlements
        if isinstance(end.settlement, Succeed) and attempt.completions:
            try:
                work = attempt.completing()
                kept = await settlements.complete(attempt.job, work, end.followers)
            except HandlerCrashedError:
                raise
            except Exception as error:  # noqa: BLE001 - the work given to complete_with is the handler's
                failed = self._end(attempt, Raised(error_text(raised_by_work(error))))
                await self._write_alone(failed)
                return
        else:
            written = await settlements.settle(end.settlement, end.followers)
            if isinstance(end.settlement, Requeue) and written.cancelled:
                [reason] = written.cancelled.values()
                await self._cancel(end, end.settlement, reason)
                return
            kept = not written.lost
        if kept:
            self._reset_refused([end])
        self._report(end, kept=kept)

    async def _cancel(self, end: End, put_back: Requeue, reason: str) -> None:
        """Emit the end of a job that an operator cancelled before it was put back."""
        ended = await end_cancelled(self._services, end.attempt.job, put_back, reason)
        cancelled = End(end.attempt, Cancelled(reason), ended.settlement, ended.followers)
        self._report(cancelled, kept=ended.kept)

    def _report(self, end: End, *, kept: bool) -> None:
        """Release the job and emit how it ended."""
        job, services = end.attempt.job, self._services
        bus = services.planner.bus_for(job, self._control.bus)
        if not kept:
            bus.emit(ReservationLost, self._control.name, job)
        else:
            if bus.has_listeners or isinstance(end.settlement, Fail):
                name = self._control.name
                seconds = end.attempt.ended - end.attempt.started
                report_end(bus, name, job, end.outcome, end.settlement, seconds)
            services.planner.settled(job, end.settlement, end.followers)
            if end.followers or job.name in self._capped:
                services.announce((job.name,))
            elif isinstance(end.settlement, Requeue):
                services.wakeups.wake((job.name,))
        self._release(end)

    def _release(self, end: End) -> None:
        self._services.wakeups.notify_ended()
        if self._control.release(end.attempt):
            self._services.wakeups.notify_idle()
