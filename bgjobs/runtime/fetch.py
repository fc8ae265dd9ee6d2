"""Reserves jobs for the free slots of a queue, and sleeps until there is something to do."""

from collections.abc import Sequence
from datetime import timedelta
from math import inf
from typing import final

from anyio import move_on_after
from anyio.streams.memory import MemoryObjectSendStream

from bgjobs.errors import StoreUnavailableError
from bgjobs.events import JobReserved, QueueError
from bgjobs.jobs import Job
from bgjobs.outcomes import is_suspect, put_back
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.queue_control import QueueControl
from bgjobs.runtime.release import running_jobs
from bgjobs.stores.abc import Owner

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
        engine: Engine,
        owner: Owner,
        inbox: MemoryObjectSendStream[Job],
    ) -> None:
        self._control = control
        self._engine = engine
        self._owner = owner
        self._inbox = inbox
        self._names = tuple(worker.name for worker in control.config.workers)
        self._compare_at = inf
        self._vain_looks = 0
        """Looks that found nothing, one after the other, although something was due."""
        self._suspect: Job | None = None
        """Held, and handed out when a look has found no other one beside it."""
        self._hold_until = 0.0
        """Then it is handed out in any case: there may be too many others."""

    async def run(self) -> None:
        """Reserve and hand out; a store that is away is asked again."""
        tries = 0
        while await self._may_look():
            try:
                wait = await self._look()
            except StoreUnavailableError as error:
                self._compare_at = self._now()
                self._control.bus.emit(QueueError, self._control.name, error)
                wait = self._engine.dispatch.retry_delay(tries)
                tries += 1
            else:
                tries = 0
                wait = min(wait, self._compare_at - self._now())
            if wait > 0 and not self._control.stopping:
                with move_on_after(wait):
                    await self._control.news.wait()
        self._hand_out_suspect()  # to be given back, like all that was not started

    async def _may_look(self) -> bool:
        control = self._control
        while not control.stopping and (control.paused or not self._free):
            left = self._compare_at - self._now()
            if left <= 0:
                break
            with move_on_after(left):
                await control.room.wait()
        return not control.stopping

    @property
    def _free(self) -> int:
        return self._control.config.concurrency - len(self._control.held)

    def _now(self) -> float:
        return self._engine.clock.monotonic()

    async def _look(self) -> float:
        """Look once; says how many seconds to wait for the next look."""
        self._control.news.clear()
        if self._compare_at <= self._now():
            await self._compare()
            return 0
        free = self._free
        jobs = await self._reserve(free)
        if jobs:
            self._vain_looks = 0
        suspects = [job for job in jobs if is_suspect(job, self._engine.config.limits)]
        await self._hold_one_of(suspects)
        for job in jobs:
            if job not in suspects:
                self._hand_out(job)
        is_alone = not (suspects and self._free)
        if is_alone or self._control.paused or self._now() >= self._hold_until:
            self._hand_out_suspect()
        hurry = self._suspect is not None or len(jobs) == free
        return 0 if hurry else await self._until_next_due()

    async def _hold_one_of(self, suspects: list[Job]) -> None:
        """Keep one back until the others are out of reach, if none is held; leave these."""
        config, others = self._engine.config, suspects
        if not suspects:
            return
        if not any(is_suspect(job, config.limits) for job in self._engine.held()):
            self._suspect, *others = suspects
            self._control.held[self._suspect.reservation] = self._suspect
            self._hold_until = self._now() + POSTPONED / 2
        self._control.postponed_until = inf  # until it is known when they come back
        try:
            await self._give_back(others, timedelta(seconds=POSTPONED))
        finally:
            self._control.postponed_until = self._now() + POSTPONED

    def _hand_out_suspect(self) -> None:
        held, self._suspect = self._suspect, None
        if held is not None:
            self._hand_out(held)

    def _hand_out(self, job: Job) -> None:
        self._control.held[job.reservation] = job
        bus = self._engine.planner.bus_of(job, self._control.bus)
        bus.emit(JobReserved, self._control.name, job)
        self._inbox.send_nowait(job)

    async def _reserve(self, limit: int) -> Sequence[Job]:
        jobs = await self._engine.dispatch.once(
            self._engine.store.reserve,
            self._owner.id,
            self._names,
            limit,
            now=self._engine.clock.store_now(),
        )
        self._control.taken += len(jobs)
        return jobs

    async def _until_next_due(self) -> float:
        due_in = await self._engine.dispatch.once(
            self._engine.store.next_due, self._names, now=self._engine.clock.store_now()
        )
        longest = self._control.config.poll_interval
        if due_in is None:
            return longest
        if due_in > timedelta(0):
            self._vain_looks = 0
            return min(due_in.total_seconds(), longest)
        # Somebody has it locked for a moment, or our lease has ended and we have not heard yet.
        wait = self._engine.dispatch.retry_delay(self._vain_looks)
        self._vain_looks += 1
        return min(wait, longest)

    async def _compare(self) -> None:
        """Give back what the store says that we hold, and we do not know of."""
        unknown = [
            job
            async for job in running_jobs(self._engine, self._owner.id)
            if job.reservation not in self._control.held
        ]
        await self._give_back(unknown)
        self._compare_at = self._now() + self._engine.config.lease

    async def _give_back(self, jobs: Sequence[Job], delay: timedelta | None = None) -> None:
        """Give back jobs that were not started; what is lost by now is not ours any more."""
        if jobs:
            await self._engine.dispatch.once(
                self._engine.store.write,
                (),
                [put_back(job, delay) for job in jobs],
                now=self._engine.clock.store_now(),
            )
