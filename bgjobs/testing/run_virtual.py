"""`run_virtual`: run an application in virtual time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from inspect import isawaitable
from math import inf
from typing import Any, final

from anyio import CapacityLimiter
from attrs import evolve, frozen

from bgjobs.checks import LONGEST_TIME
from bgjobs.config import AnyWorker, Config, Retention
from bgjobs.events import Listener
from bgjobs.expecting import as_listeners, check_flag, check_type
from bgjobs.runtime.app import run
from bgjobs.runtime.attempt import call_in_thread
from bgjobs.runtime.bgjobs import BgJobs
from bgjobs.runtime.own_context import InOwnContext
from bgjobs.stores.abc import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.clock import VirtualClock, check_virtual, time_held

POLL_INTERVAL = 3600.0
"""Seconds: every look at the store ends a jump of the clock, and a year has 8,760 of these."""


@asynccontextmanager
async def run_virtual(
    config: Config,
    *,
    store: Store | None = None,
    clock: VirtualClock | None = None,
    listeners: Sequence[Listener] = (),
    scheduled: bool = True,
) -> AsyncGenerator[BgJobs]:
    """Run an application in virtual time: what would take days is over at once.

    Everything is as `config` has it, except for the time and for the store: **never the one of
    the configuration**, which may be the real one. Without `store` it is a new one in memory.
    The store is called on the event loop, leases do not end, and ended jobs are kept.

    Plain handlers run in threads, as ever; time stands still meanwhile, so such a handler must
    not wait for the event loop to let time pass.

    With ``scheduled=False`` no scheduled job runs, as its runs would fill the days for which a
    test waits; their workers may be enqueued as ever.

    Raises:
        RealTimeError: The event loop is not in virtual time; the text says how to get one.
    """
    check_type("run_virtual", config, Config, "a Config")
    check_flag("scheduled", scheduled)
    if clock is not None:
        check_type("clock", clock, VirtualClock)
    heard = as_listeners("listeners", listeners)
    check_virtual()
    used = SQLiteStore(":memory:") if store is None else store
    time = VirtualClock() if clock is None else clock
    chosen = config if scheduled else _unscheduled(config)
    async with run(_in_virtual_time(chosen, used, time, heard)) as bg:
        yield bg


@final
@frozen(eq=False)
class VirtualRun:
    """`run_virtual` with a store, a clock and a listener of its own: `bgjobs_run` in pytest."""

    store: Store
    clock: VirtualClock
    listener: Listener

    def __call__(
        self, config: Config, *, scheduled: bool = True
    ) -> AbstractAsyncContextManager[BgJobs]:
        """Run this application: ``async with bgjobs_run(config) as bg``."""
        return run_virtual(
            config,
            store=self.store,
            clock=self.clock,
            listeners=[self.listener],
            scheduled=scheduled,
        )


def _unscheduled(config: Config) -> Config:
    workers = [job.worker for job in config.scheduled_jobs]
    return evolve(config, scheduled_jobs=(), enqueue_only=[*config.enqueue_only, *workers])


def _in_virtual_time(
    config: Config, store: Store, clock: VirtualClock, listeners: Iterable[Listener]
) -> Config:
    held = HeldWorkers()
    return evolve(
        config,
        store=store,
        clock=clock,
        listeners=(*config.listeners, *listeners),
        queues=[
            evolve(queue, workers=held.all(queue.workers), poll_interval=POLL_INTERVAL)
            for queue in config.queues
        ],
        scheduled_jobs=[
            evolve(job, worker=held.one(job.worker), poll_interval=POLL_INTERVAL)
            for job in config.scheduled_jobs
        ],
        enqueue_only=held.all(config.enqueue_only),
        lease=LONGEST_TIME,
        heartbeat_interval=LONGEST_TIME / 4,
        sweep_interval=LONGEST_TIME / 4,
        retention=Retention(succeeded=None, failed=None, interval=LONGEST_TIME),
    )


@final
class HeldWorkers:
    """Makes workers whose threads hold the time; one handler stays one."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(inf)  # a queue has its slots
        self._made: dict[Callable[..., Any], Callable[..., Any]] = {}

    def all(self, workers: Iterable[AnyWorker]) -> list[AnyWorker]:
        """Make them of these workers."""
        return [self.one(worker) for worker in workers]

    def one(self, worker: AnyWorker) -> AnyWorker:
        """Make one; an async worker is as it should be."""
        if worker.is_async:
            return worker
        if worker.handler not in self._made:
            self._made[worker.handler] = self._held(worker.handler)
        return evolve(worker, handler=self._made[worker.handler], is_async=True)

    def _held(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with time_held():
                answer, context = await call_in_thread(handler, args, kwargs, self._limiter)
            if isawaitable(answer):
                return await InOwnContext(_awaited(answer), context)
            return answer

        return call


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
