"""`run_virtual`: run an application in virtual time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from inspect import isawaitable
from math import inf
from typing import Any, final

from anyio import CapacityLimiter
from attrs import evolve, frozen

from bgjobs._core.arguments import as_listeners, check_flag, check_type
from bgjobs._core.checks import LONGEST_TIME
from bgjobs._core.config import AnyWorker, Config
from bgjobs._core.retention import Retention
from bgjobs._runtime.app import run
from bgjobs._runtime.bg_jobs import BgJobs
from bgjobs._runtime.queues.answers import call_in_thread
from bgjobs._runtime.queues.isolated_context import IsolatedContext
from bgjobs.events import Listener
from bgjobs.stores.port import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.clock import VirtualClock, check_virtual, clock_paused

POLL_INTERVAL = 3600.0
"""Seconds; each poll ends a jump of the clock, so a year takes 8,760 jumps."""


@asynccontextmanager
async def run_virtual(
    config: Config,
    *,
    store: Store | None = None,
    clock: VirtualClock | None = None,
    listeners: Sequence[Listener] = (),
    scheduled: bool = True,
) -> AsyncGenerator[BgJobs]:
    """Run an application in virtual time: days pass as soon as all tasks wait.

    The application has the settings of `config`, except for the clock and the store. The store
    of the configuration is **never used**, as it may be that of production. The store is called
    on the event loop, leases do not end, and ended jobs are kept.

    Plain handlers run in threads as usual. Virtual time stands still while they run, so a plain
    handler must not wait for the event loop to let time pass: that would never end.

    Args:
        config: The configuration of the application.
        store: The store to use, such as one with the tables of `complete_with`; by default a
            new SQLite store in memory.
        clock: The clock to use; by default one that starts at 2030-01-01.
        listeners: Listeners in addition to those of the configuration.
        scheduled: False runs no scheduled jobs, which would otherwise fill the days that a test
            waits for. Their workers can still be enqueued.

    Raises:
        RealTimeError: The event loop runs in real time. The message lists how to get one in
            virtual time; nothing was started.
    """
    check_type("run_virtual", config, Config, "a Config")
    check_flag("scheduled", scheduled)
    if clock is not None:
        check_type("clock", clock, VirtualClock)
    added = as_listeners("listeners", listeners)
    check_virtual()
    used = SQLiteStore(":memory:") if store is None else store
    time = VirtualClock() if clock is None else clock
    chosen = config if scheduled else _unscheduled(config)
    async with run(_in_virtual_time(chosen, used, time, added)) as bg:
        yield bg


@final
@frozen(eq=False)
class VirtualRun:
    """`run_virtual` with a fixed store, clock and listener: the pytest fixture `bgjobs_run`."""

    store: Store
    clock: VirtualClock
    listener: Listener

    def __call__(
        self, config: Config, *, scheduled: bool = True
    ) -> AbstractAsyncContextManager[BgJobs]:
        """Run an application: ``async with bgjobs_run(config) as bg``; see `run_virtual`."""
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
    pausing = PausingWorkers()
    return evolve(
        config,
        store=store,
        clock=clock,
        listeners=(*config.listeners, *listeners),
        queues=[
            evolve(queue, workers=pausing.all(queue.workers), poll_interval=POLL_INTERVAL)
            for queue in config.queues
        ],
        scheduled_jobs=[
            evolve(job, worker=pausing.one(job.worker), poll_interval=POLL_INTERVAL)
            for job in config.scheduled_jobs
        ],
        enqueue_only=pausing.all(config.enqueue_only),
        lease=LONGEST_TIME,
        heartbeat_interval=LONGEST_TIME / 4,
        sweep_interval=LONGEST_TIME / 4,
        retention=Retention(succeeded=None, failed=None, cancelled=None, interval=LONGEST_TIME),
    )


@final
class PausingWorkers:
    """Replaces plain handlers by async ones that pause virtual time while their thread runs.

    Otherwise the event loop, which has nothing else to do, would jump to the timeout of the
    handler. Workers with the same handler still have the same handler afterwards.
    """

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(inf)  # the queue has limited its slots
        self._handlers: dict[Callable[..., Any], Callable[..., Any]] = {}

    def all(self, workers: Iterable[AnyWorker]) -> list[AnyWorker]:
        """Return these workers, plain ones with a pausing handler."""
        return [self.one(worker) for worker in workers]

    def one(self, worker: AnyWorker) -> AnyWorker:
        """Return this worker if it is async, otherwise a copy with a pausing handler."""
        if worker.is_async:
            return worker
        if worker.handler not in self._handlers:
            self._handlers[worker.handler] = self._pausing(worker.handler)
        return evolve(worker, handler=self._handlers[worker.handler], is_async=True)

    def _pausing(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with clock_paused():
                answer, context = await call_in_thread(handler, args, kwargs, self._limiter)
            if isawaitable(answer):
                return await IsolatedContext(_awaited(answer), context)
            return answer

        return call


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
