"""Reserves jobs for the free slots of a queue, and sleeps until there may be more.

`Fetcher.run` is a task of `Consumer`. It ends when the queue is stopped; if it is cancelled,
the monitor releases what it had reserved. A store that is unavailable is asked again with a
growing delay. A reservation whose answer was lost may have taken jobs that this process does
not know of; so from then on the fetcher compares, at intervals, what the store says.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from math import inf
from typing import final

from anyio import move_on_after
from anyio.lowlevel import checkpoint

from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import is_suspect, put_back, with_end
from bgjobs._core.settlements import Requeue
from bgjobs._runtime.leases.monitor import end_cancelled, running_jobs
from bgjobs._runtime.persistence.unreadable import set_apart, set_refused_apart
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.looks import Looks
from bgjobs._runtime.queues.pace import MOST_AHEAD, Pace
from bgjobs._runtime.queues.reservations import Reservations
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import RowRefusedError, StoreUnavailableError
from bgjobs.events import JobCancelled, JobReserved, QueueError
from bgjobs.stores.pages import Listing, unreadable_in
from bgjobs.stores.types import FROM_THE_START, Owner, Position, Written

STALE = 1.0
"""Seconds after which jobs that were reserved ahead are released if no slot was free."""
MOST_UNSETTLED = 4000
"""How many ends may wait for their commit; with more, no job is reserved."""
RETRY_FACTOR, LONGEST_RETRY = 6, 12.0
"""While the store is unavailable: the factor between two waits, and the longest, in seconds.

A few tries suffice, because the heartbeat ends the wait as soon as it succeeds: see `Recovery`.
"""
TURNS_OF_SLOTS = 2
"""Turns of the event loop in which slots begin the jobs that they were given.

Otherwise the next call of the store, in its thread, would take the interpreter lock first.
"""
POSTPONED = 1.0
"""Seconds by which suspects are delayed that must not run beside another suspect."""


@final
class Fetcher:
    """Reserves jobs for one owner until its queue is stopped.

    A server may commit a reservation long after its client gave up. So from the first lost
    answer on, the fetcher compares once per lease which jobs the owner holds according to the
    store, and puts unknown ones back.
    """

    def __init__(
        self,
        state: QueueState,
        services: WorkerServices,
        owner: Owner,
        inbox: Inbox,
        attempt: Callable[[Job], Attempt],
    ) -> None:
        self._state = state
        self._services = services
        self._owner = owner
        self._inbox = inbox
        self._attempt = attempt
        self._names = tuple(worker.name for worker in state.config.workers)
        # Jobs that are reserved ahead would count for a cap without running.
        self._pace = Pace(state.config.concurrency, most_ahead=0 if state.caps else MOST_AHEAD)
        self._looks = Looks(state.config.poll_interval)
        self._reservations = Reservations(services, owner)
        self._filled_at = 0.0
        """When the inbox was last filled."""
        self._compare_at = inf
        self._is_quiet = False
        """Whether no job was due and no wakeup came since: then `next_due` is asked first."""
        self._empty_fetches = 0
        """How many reservations in a row found no job although one was due."""
        self._suspect: Attempt | None = None
        """A suspect that is held back until a reservation has found no other suspect."""
        self._hold_until = 0.0
        """When the suspect is handed out in any case: there may be too many others."""

    async def run(self) -> None:
        """Reserve jobs and hand them to the slots, until the queue is stopped."""
        tries = 0
        while True:
            try:
                if not await self._may_reserve():  # it also gives jobs back
                    break
                wait = await self._fetch()
            except StoreUnavailableError as error:
                self._compare_at = self._now()
                self._state.bus.emit(QueueError, self._state.name, error)
                await self._wait_for_the_store(tries)
                tries += 1
                continue
            tries = 0
            now = self._now()
            wait = min(wait, self._compare_at - now, self._looks.until_from_start(now))
            if wait > 0 and not self._state.stopping:
                with move_on_after(wait):
                    await self._state.jobs_available.wait()
                    self._is_quiet = False
        self._hand_out_suspect()  # the slots give it back, like all jobs that were not started

    async def _wait_for_the_store(self, tries: int) -> None:
        dispatch = self._services.dispatch
        wait = dispatch.retry_delay(tries, factor=RETRY_FACTOR, longest=LONGEST_RETRY)
        # New jobs do not end this wait.
        await dispatch.recovery.wait(wait, or_until=self._state.stopped)

    async def _may_reserve(self) -> bool:
        state = self._state
        while not state.stopping and (state.paused or not self._should_reserve):
            if not state.paused:
                self._hand_out_suspect()  # there is no room to look for another one
            now = self._now()
            if self._compare_at <= now:
                break
            stale_at = self._filled_at + STALE if self._inbox else inf
            if state.paused or stale_at <= now:
                await self._empty_inbox()
            with move_on_after(min(self._compare_at, stale_at) - now):
                await state.state_changed.wait()
        return not state.stopping

    @property
    def _should_reserve(self) -> bool:
        if self._state.unsettled > MOST_UNSETTLED:
            return False
        return self._pace.should_reserve(self._state.occupying, len(self._inbox))

    @property
    def _free(self) -> int:
        return self._pace.room - self._state.occupying

    def _now(self) -> float:
        return self._services.clock.monotonic()

    async def _fetch(self) -> float:
        """Reserve once. Return how many seconds to wait before the next time.

        All of it must succeed: a store that can be read may still refuse writes.
        """
        self._state.jobs_available.clear()
        if self._compare_at <= self._now():
            await self._compare()
            is_ready = not (self._state.stopping or self._state.paused)
            if not (is_ready and self._should_reserve):
                return 0
        if self._is_quiet and (wait := await self._until_next_due()) > 0:
            return wait
        free = self._free
        self._pace.begin(self._now(), self._state.finished)
        jobs = await self._reserve_up_to(free)
        self._pace.end(self._now())
        if self._state.paused:  # it was paused during the reservation
            await self._give_back(jobs)
            return 0
        if jobs:
            self._empty_fetches = 0
        suspects = [job for job in jobs if is_suspect(job, self._services.config.limits)]
        await self._hold_one_of(suspects)
        self._put([self._hold(job) for job in jobs if not suspects or job not in suspects])
        if not suspects or self._now() >= self._hold_until:
            self._hand_out_suspect()
        others = unreadable_in(jobs)
        again = bool(others) and await set_apart(self._services, others)
        if again or self._suspect is not None or len(jobs) == free:
            return 0
        await self._let_slots_begin()
        wait = await self._until_next_due()
        await self._reservations.connect()
        return wait

    async def _hold_one_of(self, suspects: list[Job]) -> None:
        """Keep one suspect if none is held yet, and put the others back with a delay."""
        config, others = self._services.config, suspects
        if not suspects:
            return
        if not any(is_suspect(job, config.limits) for job in self._services.occupying_jobs()):
            first, *others = suspects
            self._suspect = self._hold(first)
            self._hold_until = self._now() + POSTPONED / 2
        if not others:
            return
        self._state.postponed_until = inf  # until it is known when they are due again
        try:
            await self._give_back(others, timedelta(seconds=POSTPONED))
        finally:
            self._state.postponed_until = self._now() + POSTPONED

    def _hand_out_suspect(self) -> None:
        held, self._suspect = self._suspect, None
        if held is not None:
            self._put([held])

    def _hold(self, job: Job) -> Attempt:
        attempt = self._attempt(job)
        self._state.hold(attempt)
        return attempt

    def _put(self, attempts: Sequence[Attempt]) -> None:
        name, bus, planner = self._state.name, self._state.bus, self._services.planner
        for attempt in attempts:
            job = attempt.job
            planner.bus_for(job, bus).emit(JobReserved, name, job)
        if attempts:
            self._filled_at = self._now()
            self._inbox.put(attempts)

    async def _let_slots_begin(self) -> None:
        for _ in range(TURNS_OF_SLOTS):
            await checkpoint()

    async def _empty_inbox(self) -> None:
        """Release the jobs that wait for a slot, so that other processes can run them."""
        suspect, self._suspect = self._suspect, None
        waiting = [*self._inbox.take_back(), *([] if suspect is None else [suspect])]
        for attempt in waiting:
            self._state.unfinished -= 1
            self._state.release(attempt)
        await self._give_back([attempt.job for attempt in waiting])

    async def _reserve_up_to(self, free: int) -> Sequence[Job]:
        """Reserve jobs; those whose handlers may open nurseries only as slots need them.

        If they were reserved ahead, they would run before the children of those that wait, so
        that more and more handlers would wait.
        """
        nesting = self._state.nesting
        if not nesting:
            return await self._reserve(self._names, free)
        others = self._not_nesting
        if not others:
            self._pace.stay_within_slots()
        first = min(free, max(self._slots_left, 1 if others else 0))
        jobs = await self._reserve(self._names, first) if first > 0 else ()
        if not others or len(jobs) == free:
            return jobs
        more = await self._reserve(others, free - len(jobs))
        return Listing([*jobs, *more], [*unreadable_in(jobs), *unreadable_in(more)])

    @property
    def _not_nesting(self) -> Sequence[str]:
        return [name for name in self._names if name not in self._state.nesting]

    @property
    def _slots_left(self) -> int:
        """How many slots neither run a handler nor are to run one that may open nurseries.

        Of the ends that wait for their commit, each slot may leave one behind. Where the
        database is slow, slots would otherwise begin other parts of a tree, and ever more
        handlers would wait for children that have ended.
        """
        slots = self._state.config.concurrency
        running = self._state.occupying - len(self._inbox)
        nesting = self._inbox.count(self._state.nesting)
        behind = max(0, self._state.unsettled - slots)
        return slots - running - nesting - behind

    async def _reserve(self, names: Sequence[str], limit: int) -> Sequence[Job]:
        began, after, caps = self._now(), self._after, self._state.caps
        is_idle = not self._state.occupying
        jobs = await self._reservations.reserve(
            names, limit, caps=caps, after=after, is_idle=is_idle
        )
        self._looks.record(after, jobs, began, self._now())
        self._state.taken += len(jobs)
        return jobs

    @property
    def _after(self) -> Mapping[str, Position]:
        # Under a cap, jobs that were reserved are put back by the store.
        return FROM_THE_START if self._state.caps else self._looks.after(self._now())

    async def _until_next_due(self) -> float:
        is_full = self._state.nesting and self._slots_left <= 0
        due_in = await self._services.dispatch.once(
            self._services.store.next_due,
            self._not_nesting if is_full else self._names,
            caps=self._state.caps,
            after=self._after,
            now=self._services.clock.store_now(),
        )
        longest = self._state.config.poll_interval
        self._is_quiet = due_in is None or due_in.total_seconds() > longest
        if due_in is None:
            return longest
        if due_in > timedelta(0):
            self._empty_fetches = 0
            return min(due_in.total_seconds(), longest)
        # Another process has locked it for a moment, or our lease has ended unnoticed so far.
        wait = self._services.dispatch.retry_delay(self._empty_fetches)
        self._empty_fetches += 1
        return min(wait, longest)

    async def _compare(self) -> None:
        """Release jobs that the owner holds in the store and that this queue does not know."""
        known = {job.reservation for job in self._state.held.values()}
        unknown = [
            job
            async for job in running_jobs(self._services, self._owner.id)
            if job.reservation not in known
        ]
        await self._give_back(unknown)
        self._compare_at = self._now() + self._services.config.lease

    async def _give_back(self, jobs: Sequence[Job], delay: timedelta | None = None) -> None:
        """Put back jobs that were not started. Lost reservations need nothing more."""
        if not jobs:
            return
        self._looks.look_from_start()
        released = {job.reservation: self._released(job, delay) for job in jobs}
        try:
            written = await self._services.dispatch.once(
                self._services.store.write,
                (),
                [*released.values()],
                now=self._services.clock.store_now(),
            )
        except RowRefusedError:
            if len(jobs) > 1:
                for job in jobs:  # so that all others are released
                    await self._give_back([job], delay)
            elif not await set_refused_apart(self._services, jobs[0]):
                raise
            return
        for job in jobs if written.cancelled else ():
            if job.reservation in written.cancelled:
                await self._cancel(job, released[job.reservation], written)

    def _released(self, job: Job, delay: timedelta | None) -> Requeue:
        now = self._services.time.shown()
        return put_back(with_end(job, "released", now, self._owner), delay)

    async def _cancel(self, job: Job, released: Requeue, written: Written) -> None:
        """Emit the end of a job that an operator cancelled before it was released."""
        services, cancelled = self._services, written.cancelled[job.reservation]
        ended = await end_cancelled(services, job, released, written)
        if ended is not None and ended.kept:
            bus = services.planner.bus_for(job, self._state.bus)
            bus.emit(JobCancelled, self._state.name, job, cancelled.reason, cancelled.by)
            services.planner.settled(job, ended.settlement, ended.followers)
        services.wakeups.notify_ended()
        services.wakeups.notify_idle()
