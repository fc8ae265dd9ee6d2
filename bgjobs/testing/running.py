"""A `BgJobs` of the user's own configuration, in virtual time."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import final

from attrs import evolve, frozen

from bgjobs._core.arguments import as_listeners, check_flag, check_type
from bgjobs._core.checks import LONGEST_TIME
from bgjobs._core.config import Config, Retention
from bgjobs._runtime.app import run
from bgjobs._runtime.client import BgJobs
from bgjobs.events import Listener
from bgjobs.stores.port import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.clock import VirtualClock
from bgjobs.testing.held import HeldWorkers
from bgjobs.testing.virtual_time import check_virtual

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
