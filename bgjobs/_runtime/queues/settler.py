"""Settles how attempts ended, while the slots go on with the next jobs.

Each end is submitted to group commit, which calls back when it is written. `Settler.run` is a
task of `Consumer`, which handles the ends that the store refuses. It ends after `close`, when
all ends are answered. No cancellation cuts it off: only the end of the lease does, and then the
monitor of some process releases the jobs. Until then an unavailable store is waited for. The
end of a scheduled run, and one that is written with what the handler gave to `complete_with`,
is written by the task of its slot.
"""

from contextlib import nullcontext
from functools import partial
from random import Random
from typing import final
from uuid import UUID

from attrs import define, evolve, field

from bgjobs._core.hooks import FailureHook
from bgjobs._core.jobs import Job, Owner
from bgjobs._core.outcomes import (
    Outcome,
    RetryPolicy,
    Returned,
    settle,
)
from bgjobs._core.settlements import Cancel, Fail, Requeue, Settlement, Succeed
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.leases.guard import LeaseGuard
from bgjobs._runtime.leases.monitor import end_cancelled
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.ticket import Ticket
from bgjobs._runtime.persistence.unreadable import HAS_RETURNED, REFUSED, set_refused_apart
from bgjobs._runtime.persistence.with_work import complete, end_with_hook, report_hook
from bgjobs._runtime.persistence.work_errors import raised_by_work
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.handler_errors import HandlerCrashedError
from bgjobs._runtime.queues.progress import JobProgress
from bgjobs._runtime.queues.reports import report_callback, report_end
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.backoff import Exponential
from bgjobs.errors import RowRefusedError, StoreError
from bgjobs.events import QueueError, ReservationLost
from bgjobs.stores.types import Notice, Written

MOST_REFUSED = 3
"""Ends of one kind that may be refused in a row; more is not a problem of single rows."""


@final
@define(eq=False)
class End(Ticket):
    """An attempt that has ended, and what to write about its job.

    `enqueue` has the jobs that are stored with it: the next run of a scheduled job.
    """

    settlement: Settlement  # pyright: ignore[reportIncompatibleVariableOverride] - never changed
    attempt: Attempt
    outcome: Outcome
    settler: "Settler"
    hook: FailureHook | None = field(default=None, init=False)
    """The function of its worker that writes in the same transaction."""
    progress: JobProgress | None = field(default=None, init=False)  # pyright: ignore[reportIncompatibleVariableOverride] - as above

    @property
    def holds_slot(self) -> bool:
        """Whether the slot waits until it is written, as more than this end is written."""
        more = self.attempt.completions if isinstance(self.settlement, Succeed) else self.hook
        return bool(self.enqueue or more)

    @property
    def withdrawn(self) -> bool:
        """Whether its settler has been cut off."""
        return self.settler.is_cut_off

    def take(self, answer: Written | BaseException) -> None:
        """Settle the attempt."""
        self.settler.take(self, answer)


@final
class Settler:
    """Settles the ends of one start of a queue."""

    def __init__(
        self,
        control: QueueState,
        services: WorkerServices,
        owner: Owner,
        guard: LeaseGuard,
        culprits: set[UUID],
    ) -> None:
        queue = control.config
        self._culprits = culprits
        self._control = control
        self._counts = services.counts.of_owner(owner.id)
        self._services = services
        self._owner = owner
        self._guard = guard
        policy = RetryPolicy(
            max_retries=queue.max_retries, backoff=queue.backoff, random=Random()
        )
        self._policies = {
            worker.name: policy.overridden(worker.max_retries, worker.backoff)
            for worker in queue.workers
        }
        self._capped = frozenset(cap.name for cap in control.caps)
        self._refused: dict[type[Settlement], int] = {}
        """How many ends of each kind were refused since one of that kind was written."""
        self._unsettled = 0
        """How many ends were submitted and are not settled yet."""
        self._unusual: list[tuple[End, Written | BaseException]] = []
        """Those whose answer is handled by `run`."""
        self._written: set[type[Settlement]] = set()
        """The kinds of ends that were written since the first of these was answered."""
        self._wakeup = Wakeup()
        self._closed = False
        self.is_cut_off: bool = False
        """Whether `run` has ended, so that no end is written that has not begun."""

    async def run(self) -> None:
        """Wait until `close`, and then for the answers to all ends; see the module."""
        try:
            await run_shielded(self._settle_until_closed)
        finally:
            self.is_cut_off = self._counts.is_closed = True

    def close(self) -> None:
        """Make `run` end as soon as all ends are settled."""
        self._closed = True
        self._wakeup.set()

    def put(self, attempt: Attempt, outcome: Outcome) -> End | None:
        """Submit the end of an attempt to be written together with others.

        Returns an end that holds its slot; the slot must pass it to `write_alone`.
        """
        attempt.ended = self._services.clock.monotonic()
        end = self._end(attempt, outcome)
        self._control.finish_one()
        if end.holds_slot:
            return end
        if not self.is_cut_off:
            self._unsettled += 1
            if self._unsettled == 1:
                self._wakeup.set()  # from now on `run` depends on the lease
            self._services.settlements.submit(end)
        return None

    def take(self, end: End, answer: Written | BaseException) -> None:
        """Report that an end was written; `run` handles all other answers."""
        try:
            if isinstance(answer, Written) and not answer.cancelled:
                self._report(end, kept=not answer.lost)
                self._count_settled()
                return
        except BaseException as error:  # the other ends of the batch get their answers first
            if self.is_cut_off:
                raise
            answer = error
        self._unusual.append((end, answer))
        self._wakeup.set()

    async def write_alone(self, end: End) -> None:
        """Write an end that holds its slot."""
        await run_shielded(partial(self._write_in_time, end))

    async def _settle_until_closed(self) -> None:
        while self._unsettled or not self._closed:
            with self._guard.settling() if self._unsettled else nullcontext():
                if not self._unusual:
                    await self._wakeup.wait()
                await self._settle_unusual()

    async def _settle_unusual(self) -> None:
        unusual, self._unusual = self._unusual, []
        written, self._written = self._written, set()
        for end, answer in unusual:
            if isinstance(answer, Written):
                await self._cancel(end, answer)
            elif not isinstance(answer, Exception):
                raise answer  # a Ctrl-C in a listener
            elif _drop_progress(end):
                self._services.settlements.submit(end)
                continue
            else:
                if type(end.settlement) in written:  # so the database refuses single rows
                    self._refused.pop(type(end.settlement), None)
                if not await self._is_set_apart(end, answer):
                    self._culprits.add(end.attempt.job.id)
                    self._control.bus.emit(QueueError, self._control.name, answer)
                    raise answer
            self._count_settled()

    async def _write_in_time(self, end: End) -> None:
        with self._guard.settling():
            await self._write_alone(end)

    def _end(self, attempt: Attempt, outcome: Outcome) -> End:
        if isinstance(outcome, Returned):  # a shortcut, as nearly all do
            settlement: Settlement = Succeed(attempt.job.reservation, outcome.result)
            hook = None
        else:
            settlement = self._decide(attempt, outcome)
            hook = attempt.worker.failure_hook
        job = attempt.job
        followers = (
            () if job.occurrence is None else self._services.planner.followers(job, settlement)
        )
        end = End(followers, settlement, attempt, outcome, self)
        if attempt.result is not None and isinstance(settlement, Succeed):
            end.result_size = len(attempt.result)
        if hook is not None and hook.covers(settlement):
            end.hook = hook
        if attempt.progress is not None and attempt.progress.last is not None:
            end.progress = attempt.progress
        return end

    def _decide(self, attempt: Attempt, outcome: Outcome) -> Settlement:
        job, limits = attempt.job, self._services.config.limits
        now = self._services.time.shown()
        scheduled = self._services.planner.scheduled(job)
        policy = self._policies[job.name] if scheduled is None else scheduled.policy
        try:
            return settle(job, outcome, policy, limits, now, self._owner)
        except BaseException as error:  # noqa: BLE001 - a user's backoff may raise anything
            report_callback(self._control, self._services, job, "backoff", error)
            policy = evolve(policy, backoff=Exponential())
            return settle(job, outcome, policy, limits, now, self._owner)

    def _count_settled(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._wakeup.set()

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

    async def _write_alone(self, end: End) -> None:
        try:
            await self._write_one(end)
        except StoreError as error:
            if _drop_progress(end):
                await self._write_alone(end)
            elif not await self._is_set_apart(end, error):
                raise

    async def _write_one(self, end: End) -> None:
        if isinstance(end.settlement, Succeed) and end.attempt.completions:
            answer = await self._complete(end, end.settlement)
            if isinstance(answer, End):
                await self._write_alone(answer)
            else:
                self._report(end, kept=answer)
            return
        if end.hook is not None and end.hook.covers(end.settlement):
            await self._end_with_hook(end, end.settlement, end.hook)
            return
        settle = self._services.settlements.settle
        written = await settle(end.settlement, end.enqueue, end.progress)
        if written.cancelled:
            await self._cancel(end, written)
        else:
            self._report(end, kept=not written.lost)

    async def _complete(self, end: End, success: Succeed) -> bool | End:
        """Write a success with the work given to `complete_with`; return whether it was kept.

        If the work raises, nothing is written: return the end of the failed attempt instead.
        """
        attempt, settlements = end.attempt, self._services.settlements
        if end.progress is not None and not await settlements.report(end.progress):
            end.progress = None
        try:
            work = attempt.completing()
            return await complete(self._services, success, work, end.enqueue)
        except HandlerCrashedError:
            raise
        except Exception as error:  # noqa: BLE001 - the work given to complete_with is the handler's
            return self._end(attempt, attempt.raised(raised_by_work(error)))

    async def _end_with_hook(
        self, end: End, settlement: Fail | Cancel, hook: FailureHook
    ) -> None:
        done = await end_with_hook(self._services, settlement, hook, end.enqueue, end.progress)
        control, job = self._control, end.attempt.job
        report_hook(self._services, control.bus, control.name, job, done)
        self._report(end, kept=done.kept)

    async def _cancel(self, end: End, written: Written) -> None:
        """Emit the end of a job that an operator cancelled before it was put back."""
        attempt, put_back = end.attempt, end.settlement
        [cancelled] = written.cancelled.values()
        if isinstance(put_back, Requeue):
            ended = await end_cancelled(self._services, attempt.job, put_back, written)
            if ended is None:
                self._release(end)
                return
            changed = End(ended.followers, ended.settlement, attempt, cancelled, self)
            changed.progress = end.progress  # it was written with the other end
            self._report(changed, kept=ended.kept)

    def _report(self, end: End, *, kept: bool) -> None:
        """Release the job and emit how it ended."""
        job, services = end.attempt.job, self._services
        bus = services.planner.bus_for(job, self._control.bus)
        if not kept:
            bus.emit(ReservationLost, self._control.name, job)
        else:
            if self._refused:
                self._refused.pop(type(end.settlement), None)
            if self._unusual:
                self._written.add(type(end.settlement))
            if end.progress is not None:
                end.progress.store()
            seconds = end.attempt.ended - end.attempt.started
            self._counts.add(job, end.settlement, seconds)
            if bus.has_listeners or isinstance(end.settlement, Fail):
                name = self._control.name
                report_end(bus, name, job, end.outcome, end.settlement, seconds)
            services.planner.settled(job, end.settlement, end.enqueue)
            self._announce(end, job)
        self._release(end)

    def _announce(self, end: End, job: Job) -> None:
        """Wake those who wait for what this end has changed."""
        services = self._services
        if job.parent_id is not None:
            services.announce_child(job.parent_id)
        if end.enqueue or job.name in self._capped:
            services.announce(Notice(frozenset({job.name})))
        elif isinstance(end.settlement, Requeue):
            services.wakeups.wake((job.name,))

    def _release(self, end: End) -> None:
        self._services.wakeups.notify_ended()
        if self._control.release(end.attempt):
            self._services.wakeups.notify_idle()


def _drop_progress(end: End) -> bool:
    """Remove the progress of a refused end; return whether there was any.

    If so, the end is written again: the database may refuse only the progress, such as where a
    role has no right to its column.
    """
    had_progress = end.progress is not None
    end.progress = end.answer = None
    return had_progress
