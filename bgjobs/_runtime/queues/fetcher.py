"""Reserves jobs for the free slots of a queue, and sleeps until there is something to do."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import inf
from typing import final

from anyio import move_on_after

from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import is_suspect, put_back
from bgjobs._runtime.leases.monitor import end_cancelled, running_jobs
from bgjobs._runtime.persistence.unreadable import set_apart, set_refused_apart
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.services import Services
from bgjobs.errors import RowRefusedError, StoreUnavailableError
from bgjobs.events import JobCancelled, JobReserved, QueueError
from bgjobs.stores.pages import unreadable_in
from bgjobs.stores.types import Owner

MARGIN = 4.0
"""Times what one look needs: one part is fetched while the others lie ready.

It has to be more than two, or a look that takes longer than the last one leaves slots idle.
"""
MOST_AHEAD = 2000
"""Jobs; a process that dies takes them along until its lease ends."""


@final
class Pace:
    """Measures looks and finished jobs; asked before each look how many to reserve."""

    def __init__(self, slots: int, most_ahead: int = MOST_AHEAD) -> None:
        self._slots = slots
        self._most_ahead = most_ahead
        self._ahead = 0
        self._began, self._finished = 0.0, 0
        self._rate = 0.0

    @property
    def room(self) -> int:
        """How many jobs may wait or run at once."""
        return self._slots + self._ahead

    def is_worth_a_look(self, unfinished: int, waiting: int) -> bool:
        """Say whether there is room, and enough of it unless the slots have nothing else.

        A look for a few costs nearly as much as one for many.
        """
        free = self.room - unfinished
        return free > 0 and (not waiting or MARGIN * free >= self.room)

    def begin(self, now: float, finished: int) -> None:
        """Note that a look begins, when so many jobs have been finished altogether."""
        passed = now - self._began
        self._rate = (finished - self._finished) / passed if passed > 0 else 0.0
        self._began, self._finished = now, finished

    def end(self, now: float) -> None:
        """Note that it has ended."""
        self._ahead = min(self._most_ahead, int(MARGIN * self._rate * (now - self._began)))


STALE = 1.0
"""Seconds after which a job that was reserved ahead, and found no slot, is given back."""
MOST_UNSETTLED = 4000
"""Ends that wait for their commit, beyond which nothing more is reserved."""
RETRY_FACTOR, LONGEST_RETRY = 6, 12.0
"""How much longer each wait is while the store refuses looks, and seconds for the longest one.

Few, because the heartbeat tells when the store takes writes again: see `Recovery`.
"""
POSTPONED = 1.0
"""Seconds for which suspects are put off that must not run beside another."""


@final
class Fetcher:
    """Looks for jobs on behalf of one owner, until its queue is stopped.

    Where the answer of a reservation was lost, jobs may be ours without our knowing, now or
    later: a server may commit long after its client gave up. So from the first lost answer on
    it compares, now and then, what the store says that we hold with what we know.
    """

    def __init__(
        self,
        control: QueueControl,
        services: Services,
        owner: Owner,
        inbox: Inbox,
        attempt: Callable[[Job], Attempt],
    ) -> None:
        self._control = control
        self._services = services
        self._owner = owner
        self._inbox = inbox
        self._attempt = attempt
        self._names = tuple(worker.name for worker in control.config.workers)
        # Reserved ahead, jobs would count for a cap without running.
        self._pace = Pace(
            control.config.concurrency, most_ahead=0 if control.caps else MOST_AHEAD
        )
        self._stocked_at = 0.0
        """When something was put into the inbox."""
        self._compare_at = inf
        self._is_quiet = False
        """Whether nothing was due, and nothing has happened since: then a question will do."""
        self._vain_looks = 0
        """Looks that found nothing, one after the other, although something was due."""
        self._suspect: Attempt | None = None
        """Held, and handed out when a look has found no other one beside it."""
        self._hold_until = 0.0
        """Then it is handed out in any case: there may be too many others."""

    async def run(self) -> None:
        """Reserve and hand out; a store that is away is asked again."""
        tries = 0
        while True:
            try:  # before a look, too: what finds no slot is given back
                if not await self._may_look():
                    break
                wait = await self._look()
            except StoreUnavailableError as error:
                self._compare_at = self._now()
                self._control.bus.emit(QueueError, self._control.name, error)
                await self._wait_for_the_store(tries)
                tries += 1
                continue
            tries = 0
            wait = min(wait, self._compare_at - self._now())
            if wait > 0 and not self._control.stopping:
                with move_on_after(wait):
                    await self._control.news.wait()
                    self._is_quiet = False
        self._hand_out_suspect()  # to be given back, like all that was not started

    async def _wait_for_the_store(self, tries: int) -> None:
        dispatch = self._services.dispatch
        wait = dispatch.retry_delay(tries, factor=RETRY_FACTOR, longest=LONGEST_RETRY)
        # News of jobs make it no better.
        await dispatch.recovery.wait(wait, or_until=self._control.stopped)

    async def _may_look(self) -> bool:
        control = self._control
        while not control.stopping and (control.paused or not self._is_worth_a_look):
            now = self._now()
            if self._compare_at <= now:
                break
            stale_at = self._stocked_at + STALE if self._inbox else inf
            if control.paused or stale_at <= now:
                await self._return_stock()
            with move_on_after(min(self._compare_at, stale_at) - now):
                await control.room.wait()
        return not control.stopping

    @property
    def _is_worth_a_look(self) -> bool:
        if len(self._control.held) - self._control.unfinished > MOST_UNSETTLED:
            return False
        return self._pace.is_worth_a_look(self._control.unfinished, len(self._inbox))

    @property
    def _free(self) -> int:
        return self._pace.room - self._control.unfinished

    def _now(self) -> float:
        return self._services.clock.monotonic()

    async def _look(self) -> float:
        """Look once; says how many seconds to wait for the next look.

        A look has succeeded when all of it has: what can be read says nothing about writing.
        """
        self._control.news.clear()
        if self._compare_at <= self._now():
            await self._compare()
            is_ready = not (self._control.stopping or self._control.paused)
            if not (is_ready and self._is_worth_a_look):
                return 0
        if self._is_quiet and (wait := await self._until_next_due()) > 0:
            return wait
        free = self._free
        self._pace.begin(self._now(), self._control.finished)
        jobs = await self._reserve(free)
        self._pace.end(self._now())
        if self._control.paused:  # since the look began
            await self._give_back(jobs)
            return 0
        if jobs:
            self._vain_looks = 0
        suspects = [job for job in jobs if is_suspect(job, self._services.config.limits)]
        await self._hold_one_of(suspects)
        self._put([self._hold(job) for job in jobs if not suspects or job not in suspects])
        is_alone = not (suspects and self._free)
        if is_alone or self._now() >= self._hold_until:
            self._hand_out_suspect()
        others = unreadable_in(jobs)
        again = bool(others) and await set_apart(self._services, others)
        hurry = again or self._suspect is not None or len(jobs) == free
        return 0 if hurry else await self._until_next_due()

    async def _hold_one_of(self, suspects: list[Job]) -> None:
        """Keep one back until the others are out of reach, if none is held; leave these."""
        config, others = self._services.config, suspects
        if not suspects:
            return
        if not any(is_suspect(job, config.limits) for job in self._services.running_jobs()):
            first, *others = suspects
            self._suspect = self._hold(first)
            self._hold_until = self._now() + POSTPONED / 2
        if not others:
            return
        self._control.postponed_until = inf  # until it is known when they come back
        try:
            await self._give_back(others, timedelta(seconds=POSTPONED))
        finally:
            self._control.postponed_until = self._now() + POSTPONED

    def _hand_out_suspect(self) -> None:
        held, self._suspect = self._suspect, None
        if held is not None:
            self._put([held])

    def _hold(self, job: Job) -> Attempt:
        attempt = self._attempt(job)
        self._control.hold(attempt)
        return attempt

    def _put(self, attempts: Sequence[Attempt]) -> None:
        name, bus, planner = self._control.name, self._control.bus, self._services.planner
        for attempt in attempts:
            job = attempt.job
            planner.bus_of(job, bus).emit(JobReserved, name, job)
        if attempts:
            self._stocked_at = self._now()
            self._inbox.put(attempts)

    async def _return_stock(self) -> None:
        """Let others have the jobs that found no slot here."""
        suspect, self._suspect = self._suspect, None
        stock = [*self._inbox.take_back(), *([] if suspect is None else [suspect])]
        for attempt in stock:
            self._control.unfinished -= 1
            self._control.let_go(attempt)
        await self._give_back([attempt.job for attempt in stock])

    async def _reserve(self, limit: int) -> Sequence[Job]:
        jobs = await self._services.dispatch.once(
            self._services.store.reserve,
            self._owner.id,
            self._names,
            limit,
            caps=self._control.caps,
            now=self._services.clock.store_now(),
        )
        self._control.taken += len(jobs)
        return jobs

    async def _until_next_due(self) -> float:
        due_in = await self._services.dispatch.once(
            self._services.store.next_due,
            self._names,
            caps=self._control.caps,
            now=self._services.clock.store_now(),
        )
        longest = self._control.config.poll_interval
        self._is_quiet = due_in is None or due_in.total_seconds() > longest
        if due_in is None:
            return longest
        if due_in > timedelta(0):
            self._vain_looks = 0
            return min(due_in.total_seconds(), longest)
        # Somebody has it locked for a moment, or our lease has ended and we have not heard yet.
        wait = self._services.dispatch.retry_delay(self._vain_looks)
        self._vain_looks += 1
        return min(wait, longest)

    async def _compare(self) -> None:
        """Give back what the store says that we hold, and we do not know of."""
        known = {job.reservation for job in self._control.running}
        unknown = [
            job
            async for job in running_jobs(self._services, self._owner.id)
            if job.reservation not in known
        ]
        await self._give_back(unknown)
        self._compare_at = self._now() + self._services.config.lease

    async def _give_back(self, jobs: Sequence[Job], delay: timedelta | None = None) -> None:
        """Put back jobs that were not started; what is lost by now is not ours any more."""
        if not jobs:
            return
        try:
            written = await self._services.dispatch.once(
                self._services.store.write,
                (),
                [put_back(job, delay) for job in jobs],
                now=self._services.clock.store_now(),
            )
        except RowRefusedError:
            if len(jobs) > 1:
                for job in jobs:  # so that the others are given back
                    await self._give_back([job], delay)
            elif not await set_refused_apart(self._services, jobs[0]):
                raise
            return
        for job in jobs if written.cancelled else ():
            reason = written.cancelled.get(job.reservation)
            if reason is not None:
                await self._cancel(job, reason)

    async def _cancel(self, job: Job, reason: str) -> None:
        """Emit the end of a job that an operator had cancelled before it was given back."""
        services = self._services
        ended = await end_cancelled(services, job, put_back(job), reason)
        if ended.kept:
            bus = services.planner.bus_of(job, self._control.bus)
            bus.emit(JobCancelled, self._control.name, job, reason)
            services.planner.tell(job, ended.settlement, ended.followers)
        services.wakeups.ended()
        services.wakeups.idle()
