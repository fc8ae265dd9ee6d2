"""One start of a queue: it holds a lease, reserves jobs, runs them and writes how they ended.

The supervisor runs `Consumer.run` in a task and starts a new one after a crash; each start has
an owner id of its own. Its child tasks are the fetcher, which fills the inbox, the slots, which
call handlers, the settler, which waits until their ends are written, and the guard of the
lease. `stop` ends it when the handlers have returned or the grace is over. A cancellation ends
the handlers at once, while the ends that are known are still written. Jobs that are held after
that are released by the monitor. If the store is unavailable, the queue goes on until its lease
ends.
"""

from contextvars import copy_context
from functools import partial
from math import inf
from typing import final
from uuid import UUID

from anyio import (
    CancelScope,
    CapacityLimiter,
    Event,
    create_task_group,
    current_time,
    get_cancelled_exc_class,
    move_on_after,
    sleep,
    sleep_forever,
)
from anyio.lowlevel import checkpoint

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.progress import Progress
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.leases.guard import LeaseGuard
from bgjobs._runtime.leases.registry import DeadOwner, Lease
from bgjobs._runtime.notifications.commands import first_commands
from bgjobs._runtime.nurseries.handler import HandlerParent, parent_of
from bgjobs._runtime.queues.attempt import Attempt, Environment
from bgjobs._runtime.queues.fetcher import Fetcher
from bgjobs._runtime.queues.handler_client import HandlerClient
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.places import Places
from bgjobs._runtime.queues.progress import ProgressChannel
from bgjobs._runtime.queues.reports import report_callback
from bgjobs._runtime.queues.settler import Settler
from bgjobs._runtime.queues.slot import Slot, Slots
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import (
    CancellationIgnored,
    JobProgressed,
    OwnerDied,
    QueueStarted,
    QueueStopped,
)
from bgjobs.stores.types import Notice, Owner

CANCEL_WARNING_AFTER = 5.0
"""Seconds after its cancellation until a handler that still runs is reported."""


@final
class Consumer:
    """Runs the jobs of one queue until it is stopped."""

    def __init__(
        self, state: QueueState, services: WorkerServices, node: str, admin: Admin
    ) -> None:
        self._state = state
        self._queue = state.config
        self._services = services
        self._bus = state.bus
        self._node = node
        self._workers = {worker.name: worker for worker in state.config.workers}
        self._admin = admin
        self._inbox = Inbox()
        self._places = Places(state, self._inbox, self._start_slot)
        self._environment = Environment(
            threads=CapacityLimiter(inf),  # places limit plain handlers, too
            progress=ProgressChannel(
                services.clock, services.time.shown, services.progress.add, self._progressed
            ),
            resources=services.resources,
            client_of=self._client_of,
            parent_of=self._parent_of,
            cancelled=self._places.go_on,
            report_callback=partial(report_callback, state, services),
            middleware=(*services.config.middleware, *self._queue.middleware),
        )
        self._slots: list[Slot] = []
        self._slots_ended = CancelScope()
        self._is_cut_off = False
        """Whether the slots were cancelled, so that handlers leave their children."""
        self._culprits: set[UUID] = set()

    async def run(self) -> None:
        """Take a lease and run jobs until stopped; the monitor releases what is held then."""
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
            self._state.release_all()
            self._services.registry.ended(DeadOwner(self._owner, self._culprits, died))
            self._bus.emit(QueueStopped, self._queue.name, self._owner.id)
            if died:
                self._bus.emit(OwnerDied, self._owner.id, self._owner.name)

    async def _open(self) -> Lease | None:
        """Take a lease; wait while the store is unavailable. None if stopped before."""
        dispatch, tries = self._services.dispatch, 0
        while not self._state.stopping:
            try:
                return await self._try_to_open()
            except StoreUnavailableError:
                with move_on_after(dispatch.retry_delay(tries)):
                    await self._state.state_changed.wait()
                tries += 1
        return None

    async def _try_to_open(self) -> Lease:
        clock, seconds = self._services.clock, self._services.config.lease
        if not self._state.is_scheduled:
            await first_commands(self._services, self._state)
        # A new owner for each try: if the answer to a try was lost, its lease is an older one.
        self._owner = Owner(new_id(), self._queue.name, self._node)
        lease = Lease(self._owner, seconds, until=0.0)
        lease.renew(clock.monotonic())
        await self._services.dispatch.once(
            self._services.store.open_owner,
            self._owner,
            as_duration(seconds),
            now=clock.store_now(),
        )
        self._services.registry.add(lease)
        # An operator may have paused the queue since the first commands were read.
        self._services.wakeups.notify(Notice(commands=True))
        return lease

    async def _serve(self, lease: Lease) -> None:
        guard = LeaseGuard(lease, self._services.clock)
        settler = Settler(self._state, self._services, lease.owner, guard, self._culprits)
        async with create_task_group() as guards:
            guards.start_soon(guard.run)
            guards.start_soon(self._end_the_grace)
            async with create_task_group() as settling:
                settling.start_soon(settler.run)
                try:
                    await self._run_slots(settler)
                finally:
                    settler.close()
            guards.cancel_scope.cancel()

    async def _run_slots(self, settler: Settler) -> None:
        inbox = self._inbox
        self._shared = Slots(
            self._state, self._services, inbox, settler, self._culprits, self._slot_ended
        )
        fetcher = Fetcher(self._state, self._services, self._owner, inbox, self._attempt)
        self._context = copy_context()
        async with create_task_group() as self._group:
            self._group.start_soon(self._cut_off_handlers)
            for _ in range(self._queue.concurrency):
                self._start_slot()
            try:
                await fetcher.run()
            finally:
                inbox.close()

    def _start_slot(self) -> None:
        slot = Slot(self._shared)
        self._slots.append(slot)
        # A handler may call this, whose context variables must not reach other handlers.
        self._context.copy().run(self._group.start_soon, slot.run)

    def _slot_ended(self, slot: Slot) -> None:
        self._slots.remove(slot)
        self._places.leave()
        if not self._slots:  # the inbox is closed, so no further one is started
            self._slots_ended.cancel()

    def _attempt(self, job: Job) -> Attempt:
        return Attempt(self._workers[job.name], job, self._environment)

    def _client_of(self, attempt: Attempt) -> HandlerClient:
        return HandlerClient(self._services, self._admin, attempt, self._places)

    def _parent_of(self, attempt: Attempt) -> HandlerParent:
        parent = parent_of(
            self._services, self._state, self._places, self._notice_cancellation, attempt
        )
        if self._is_cut_off:
            parent.cut_off()
        return parent

    def _progressed(self, job: Job, progress: Progress) -> None:
        bus = self._services.planner.bus_for(job, self._bus)
        bus.emit(JobProgressed, self._queue.name, job, progress)

    async def _end_the_grace(self) -> None:
        """Cancel the handlers that still run when the grace of a stopped queue is over."""
        state = self._state
        await state.stopped.wait()
        stopped = current_time()
        for attempt in self._running():
            if attempt.parent is not None and attempt.parent.waits:
                attempt.interrupt(counted=False)
        while (left := stopped + state.grace - current_time()) > 0:
            with move_on_after(left):
                await state.grace_changed.wait()
        for attempt in self._running():
            attempt.interrupt()
        await sleep(CANCEL_WARNING_AFTER)
        for attempt in self._running():
            bus = self._services.planner.bus_for(attempt.job, self._bus)
            bus.emit(CancellationIgnored, self._queue.name, attempt.job)

    async def _cut_off_handlers(self) -> None:
        """End handlers without waiting for their children when the slots are cancelled."""
        with self._slots_ended:
            try:
                await sleep_forever()
            finally:
                self._cut_off()

    def _cut_off(self) -> None:
        self._is_cut_off = True
        for attempt in self._running():
            attempt.cut_off()

    async def _notice_cancellation(self) -> None:
        """Return after handlers were cut off, if the slots are cancelled at this moment.

        Tasks that are cancelled at the same time learn of it in any order.
        """
        noticed = Event()
        self._group.start_soon(self._probe, noticed)
        await noticed.wait()

    async def _probe(self, noticed: Event) -> None:
        try:
            await checkpoint()
        except get_cancelled_exc_class():
            self._cut_off()
            raise
        finally:
            noticed.set()

    def _running(self) -> list[Attempt]:
        return [slot.attempt for slot in self._slots if slot.attempt is not None]
