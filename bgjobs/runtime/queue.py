"""One start of a queue: a fetch loop that reserves jobs, and slots that run them.

It lives under one owner id and one lease. Slots are tasks that live as long as it does:
starting a task for every job would cost more than the rest of the job.
"""

from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import final
from uuid import UUID

from anyio import (
    CancelScope,
    CapacityLimiter,
    create_memory_object_stream,
    create_task_group,
    current_time,
    get_cancelled_exc_class,
    move_on_after,
    sleep,
)
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import evolve

from bgjobs.backoff import Exponential
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import (
    CancellationIgnored,
    JobStarted,
    OwnerDied,
    QueueError,
    QueueStarted,
    QueueStopped,
    ReservationLost,
)
from bgjobs.ids import new_id
from bgjobs.instants import as_duration
from bgjobs.jobs import Job
from bgjobs.outcomes import Outcome, Raised, RetryPolicy, TooLate, Unstarted, settle
from bgjobs.planning import is_too_late
from bgjobs.runtime.attempt import Attempt, HandlerCrashedError
from bgjobs.runtime.bus import Bus
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.fetch import Fetcher
from bgjobs.runtime.leases import DeadOwner, Lease, LeaseLostError
from bgjobs.runtime.queue_control import QueueControl
from bgjobs.runtime.reports import report_end
from bgjobs.settlements import Requeue, Settlement, Succeed
from bgjobs.stores.abc import Owner
from bgjobs.texts import error_text

SHORTEST_WAIT = 0.01
"""Seconds that a settlement has in any case, and between two looks at an ending lease."""
STUBBORN_AFTER = 5.0
"""Seconds after which a handler that goes on although it was cancelled is named."""


@final
class QueueRun:
    """Runs the jobs of one queue until it is stopped."""

    def __init__(self, control: QueueControl, engine: Engine, node: str) -> None:
        self._control = control
        self._queue = control.config
        self._engine = engine
        self._bus = control.bus
        self._node = node
        self._workers = {worker.name: worker for worker in control.config.workers}
        self._policy = RetryPolicy(
            max_retries=self._queue.max_retries, backoff=self._queue.backoff, random=Random()
        )
        self._threads = CapacityLimiter(self._queue.concurrency)
        self._attempts: dict[UUID, Attempt] = {}
        self._settling: set[CancelScope] = set()
        self._culprits: set[UUID] = set()

    async def run(self) -> None:
        """Take a lease and run jobs until stopped; what is left then is the monitor's."""
        lease = await self._open()
        if lease is None:
            return
        died = True
        try:
            self._bus.emit(QueueStarted, self._queue.name, self._owner.id)
            await self._serve(lease)
            died = False
        except get_cancelled_exc_class():
            died = False
            raise
        finally:
            self._control.held.clear()
            self._engine.registry.ended(DeadOwner(self._owner, self._culprits, died))
            self._bus.emit(QueueStopped, self._queue.name, self._owner.id)
            if died:
                self._bus.emit(OwnerDied, self._owner.id, self._owner.name)

    async def _open(self) -> Lease | None:
        """Take a lease, waiting for a store that is away; None when stopped before."""
        dispatch, tries = self._engine.dispatch, 0
        while not self._control.stopping:
            try:
                return await self._try_to_open()
            except StoreUnavailableError:
                with move_on_after(dispatch.retry_delay(tries)):
                    await self._control.room.wait()
                tries += 1
        return None

    async def _try_to_open(self) -> Lease:
        clock, seconds = self._engine.clock, self._engine.config.lease
        # A new owner for each try: one whose answer was lost has an older lease.
        self._owner = Owner(new_id(), self._queue.name, self._node)
        lease = Lease(self._owner, seconds, until=0.0)
        lease.renew(clock.monotonic())
        await self._engine.dispatch.once(
            self._engine.store.open_owner,
            self._owner,
            as_duration(seconds),
            now=clock.store_now(),
        )
        self._engine.registry.add(lease)
        return lease

    async def _serve(self, lease: Lease) -> None:
        send, receive = create_memory_object_stream[Job](self._queue.concurrency)
        async with create_task_group() as guards:
            guards.start_soon(self._guard, lease)
            guards.start_soon(self._end_the_grace)
            async with create_task_group() as slots, receive:
                for _ in range(self._queue.concurrency):
                    slots.start_soon(self._slot, receive.clone(), lease)
                async with send:
                    await Fetcher(self._control, self._engine, self._owner, send).run()
            guards.cancel_scope.cancel()

    async def _guard(self, lease: Lease) -> None:
        """End the queue, and with it every handler, before its lease ends in the store."""
        while left := lease.left(self._engine.clock.monotonic()):
            for scope in self._settling:
                scope.deadline = current_time() + left
            with move_on_after(max(left / 2, SHORTEST_WAIT)):
                await lease.over.wait()
        for scope in self._settling:
            scope.cancel()
        raise LeaseLostError(self._queue.name)

    async def _end_the_grace(self) -> None:
        """Cancel the handlers when they have had their time after the queue was stopped."""
        control = self._control
        await control.stopped.wait()
        stopped = current_time()
        while (left := stopped + control.grace - current_time()) > 0:
            with move_on_after(left):
                await control.hurry.wait()
        for attempt in tuple(self._attempts.values()):
            attempt.interrupt()
        await sleep(STUBBORN_AFTER)
        for attempt in self._attempts.values():
            self._bus_of(attempt.job).emit(CancellationIgnored, self._queue.name, attempt.job)

    async def _slot(self, inbox: MemoryObjectReceiveStream[Job], lease: Lease) -> None:
        async with inbox:
            async for job in inbox:
                try:
                    await self._run_job(job, lease)
                except LeaseLostError:
                    raise
                except Exception as error:
                    # Not hidden: the queue goes down with it, and this job counts the crash.
                    self._culprits.add(job.id)
                    # Told now: a plain handler's thread may keep the queue from ending.
                    self._bus.emit(QueueError, self._queue.name, error)
                    raise
                self._control.held.pop(job.reservation, None)
                self._control.room.set()
                if not self._control.held:
                    self._engine.wakeups.idle()

    async def _run_job(self, job: Job, lease: Lease) -> None:
        attempt = Attempt(self._workers[job.name], job, self._engine.clock, self._threads)
        if self._control.stopping:
            outcome: Outcome = Unstarted()
        elif is_too_late(job):
            outcome = TooLate()
        else:
            self._bus_of(job).emit(JobStarted, self._queue.name, job)
            self._attempts[job.id] = attempt
            try:
                outcome = await attempt.run()
            finally:
                del self._attempts[job.id]
        seconds = self._engine.clock.monotonic() - attempt.started
        with self._while_leased(lease):
            await self._settle(attempt, outcome, seconds)

    @contextmanager
    def _while_leased(self, lease: Lease) -> Generator[None]:
        """Let nothing but the end of the lease cancel the block, which may be prolonged."""
        left = max(lease.left(self._engine.clock.monotonic()), SHORTEST_WAIT)
        with CancelScope(shield=True, deadline=current_time() + left) as scope:
            self._settling.add(scope)
            try:
                yield
            finally:
                self._settling.remove(scope)
        if scope.cancelled_caught:
            raise LeaseLostError(self._queue.name)

    async def _settle(self, attempt: Attempt, outcome: Outcome, seconds: float) -> None:
        job, settlements = attempt.job, self._engine.settlements
        settlement = self._decide(job, outcome)
        followers = self._engine.planner.followers(job, settlement)
        if isinstance(settlement, Succeed) and attempt.context.completions:
            try:
                kept = await settlements.complete(job, attempt.complete, followers)
            except HandlerCrashedError:
                raise
            except Exception as error:  # noqa: BLE001 - the work given to complete_with is the handler's
                await self._settle(attempt, Raised(error_text(error)), seconds)
                return
        else:
            kept = await settlements.settle(settlement, followers)
        if not kept:
            self._bus_of(job).emit(ReservationLost, self._queue.name, job)
            return
        report_end(self._bus_of(job), self._queue.name, job, outcome, settlement, seconds)
        self._engine.planner.tell(job, settlement, followers)
        if followers:
            self._engine.announce((job.name,))
        elif isinstance(settlement, Requeue):
            self._engine.wakeups.wake((job.name,))

    def _decide(self, job: Job, outcome: Outcome) -> Settlement:
        limits, now = self._engine.config.limits, self._engine.clock.now()
        scheduled = self._engine.planner.scheduled(job)
        policy = self._policy if scheduled is None else scheduled.policy
        try:
            return settle(job, outcome, policy, limits, now)
        except Exception as error:  # noqa: BLE001 - a backoff of the user's may raise anything
            self._bus_of(job).emit(QueueError, self._queue.name, error)
            fallback = evolve(policy, backoff=Exponential())
            return settle(job, outcome, fallback, limits, now)

    def _bus_of(self, job: Job) -> Bus:
        return self._engine.planner.bus_of(job, self._bus)
