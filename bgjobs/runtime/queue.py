"""One start of a queue: a fetch loop that reserves jobs, and slots that run them.

It lives under one owner id and one lease. Slots are tasks that live as long as it does:
starting a task for every job would cost more than the rest of the job.
"""

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
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import evolve

from bgjobs.backoff import Exponential
from bgjobs.errors import BgJobsError, StoreUnavailableError
from bgjobs.events import (
    CancellationIgnored,
    JobReserved,
    JobStarted,
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
from bgjobs.runtime.leases import DeadOwner, Lease
from bgjobs.runtime.queue_control import QueueControl
from bgjobs.runtime.release import running_jobs
from bgjobs.runtime.reports import report_end
from bgjobs.settlements import Requeue, Settlement, Succeed
from bgjobs.stores.abc import Owner
from bgjobs.texts import error_text

SHORTEST_WAIT = 0.01
"""Seconds between two looks when what is due is locked by somebody else."""
STUBBORN_AFTER = 5.0
"""Seconds after which a handler that goes on although it was cancelled is named."""


class LeaseLostError(BgJobsError):
    """A queue could not renew its lease in time, so it ends and starts anew."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        super().__init__(f"queue {queue!r}: the lease could not be renewed in time")


@final
class QueueRun:
    """Runs the jobs of one queue until it is stopped."""

    def __init__(self, control: QueueControl, engine: Engine, node: str) -> None:
        self._control = control
        self._queue = control.config
        self._engine = engine
        self._bus = control.bus
        self._owner = Owner(new_id(), control.name, node)
        self._workers = {worker.name: worker for worker in control.config.workers}
        self._policy = RetryPolicy(
            max_retries=self._queue.max_retries, backoff=self._queue.backoff, random=Random()
        )
        self._threads = CapacityLimiter(self._queue.concurrency)
        self._names = tuple(self._workers)
        self._attempts: dict[UUID, Attempt] = {}
        self._culprits: set[UUID] = set()
        self._unsure = False

    async def run(self) -> None:
        """Take a lease and run jobs until stopped; what is left then is the monitor's."""
        lease = await self._open()
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

    async def _open(self) -> Lease:
        clock, seconds = self._engine.clock, self._engine.config.lease
        lease = Lease(self._owner, seconds, until=0.0)
        started = clock.monotonic()
        await self._engine.dispatch.insist(
            self._engine.store.open_owner,
            self._owner,
            as_duration(seconds),
            now=clock.store_now(),
        )
        lease.renew(started)
        self._engine.registry.add(lease)
        return lease

    async def _serve(self, lease: Lease) -> None:
        send, receive = create_memory_object_stream[Job](self._queue.concurrency)
        async with create_task_group() as guards:
            guards.start_soon(self._guard, lease)
            async with create_task_group() as slots, receive:
                for _ in range(self._queue.concurrency):
                    slots.start_soon(self._slot, receive.clone(), lease)
                async with send:
                    await self._fetch(send)
                guards.start_soon(self._end_the_grace)
            guards.cancel_scope.cancel()

    async def _guard(self, lease: Lease) -> None:
        """End the queue, and with it every handler, before its lease ends in the store."""
        clock = self._engine.clock
        while left := lease.left(clock.monotonic()):
            await sleep(min(left, self._engine.config.heartbeat_interval))
        raise LeaseLostError(self._queue.name)

    async def _end_the_grace(self) -> None:
        control = self._control
        stopped = current_time()
        while (left := stopped + control.grace - current_time()) > 0:
            with move_on_after(left):
                await control.room.wait()
        for attempt in tuple(self._attempts.values()):
            attempt.interrupt()
        await sleep(STUBBORN_AFTER)
        for attempt in self._attempts.values():
            self._bus_of(attempt.job).emit(CancellationIgnored, self._queue.name, attempt.job)

    async def _fetch(self, inbox: MemoryObjectSendStream[Job]) -> None:
        tries = 0
        while await self._may_look():
            try:
                wait = await self._look(inbox)
            except StoreUnavailableError as error:
                self._unsure = True
                self._bus.emit(QueueError, self._queue.name, error)
                wait = self._engine.dispatch.retry_delay(tries)
                tries += 1
            else:
                tries = 0
            if wait > 0:
                with move_on_after(wait):
                    await self._control.news.wait()

    async def _may_look(self) -> bool:
        control = self._control
        while not control.stopping and (control.paused or not self._free):
            await control.room.wait()
        return not control.stopping

    @property
    def _free(self) -> int:
        return self._queue.concurrency - len(self._control.held)

    async def _look(self, inbox: MemoryObjectSendStream[Job]) -> float:
        """Reserve for the free slots and hand out; says how long to wait for the next look."""
        free = self._free
        if self._unsure:
            await self._give_back_unknown()
        self._control.news.clear()
        jobs = await self._engine.dispatch.once(
            self._engine.store.reserve,
            self._owner.id,
            self._names,
            free,
            now=self._engine.clock.store_now(),
        )
        self._control.taken += len(jobs)
        for job in jobs:
            self._control.held[job.reservation] = job
            self._bus_of(job).emit(JobReserved, self._queue.name, job)
            inbox.send_nowait(job)
        return 0 if len(jobs) == free else await self._until_next_due()

    async def _until_next_due(self) -> float:
        due_in = await self._engine.dispatch.once(
            self._engine.store.next_due, self._names, now=self._engine.clock.store_now()
        )
        if due_in is None:
            return self._queue.poll_interval
        seconds = due_in.total_seconds()
        return min(seconds if seconds > 0 else SHORTEST_WAIT, self._queue.poll_interval)

    async def _give_back_unknown(self) -> None:
        """Give back jobs that were reserved although the answer never came."""
        engine = self._engine
        unknown = [
            job
            async for job in running_jobs(engine, self._owner.id)
            if job.reservation not in self._control.held
        ]
        settlements = [self._decide(job, Unstarted()) for job in unknown]
        await engine.dispatch.once(
            engine.store.write, (), settlements, now=engine.clock.store_now()
        )
        self._unsure = False

    async def _slot(self, inbox: MemoryObjectReceiveStream[Job], lease: Lease) -> None:
        async with inbox:
            async for job in inbox:
                try:
                    await self._run_job(job, lease)
                except LeaseLostError:
                    raise
                except Exception:
                    # Not hidden: the queue goes down with it, and this job counts the crash.
                    self._culprits.add(job.id)
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
        left = max(lease.left(self._engine.clock.monotonic()), SHORTEST_WAIT)
        with CancelScope(shield=True, deadline=current_time() + left):
            await self._settle(attempt, outcome, seconds)
            return
        raise LeaseLostError(self._queue.name)

    async def _settle(self, attempt: Attempt, outcome: Outcome, seconds: float) -> None:
        job, commits = attempt.job, self._engine.commits
        settlement = self._decide(job, outcome)
        followers = self._engine.planner.followers(job, settlement)
        if isinstance(settlement, Succeed) and attempt.context.completions:
            try:
                kept = await commits.complete(job, attempt.complete, followers)
            except HandlerCrashedError:
                raise
            except Exception as error:  # noqa: BLE001 - the work given to complete_with is the handler's
                await self._settle(attempt, Raised(error_text(error)), seconds)
                return
        else:
            kept = await commits.settle(settlement, followers)
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
