"""The jobs of a storm: what their handlers do, and what each leaves behind.

Every run is written to the journal as it begins. A job that succeeds writes one row, in the
transaction that completes it; nothing keeps a second row out, so that one would be seen.
"""

import os
import time
from functools import partial
from typing import Any, final

import anyio
from attrs import frozen

import bgjobs
from bgjobs._core.config import AnyWorker
from tests.reliability.chaos.harm import Points
from tests.reliability.chaos.journal import Journal
from tests.reliability.chaos.orders import moment
from tests.reliability.chaos.storm_orders import Orders

EFFECTS = "storm_effects"
REASON = "the storm's own reason"


class HandlerError(Exception):
    """What handlers raise here."""


@final
@frozen
class Tools:
    """What the handlers of one process work with."""

    orders: Orders
    journal: Journal
    points: Points

    def begin(self, context: bgjobs.JobContext) -> None:
        """Write down that a run begins."""
        job = context.job
        self.points.reach("handler begins")
        self.journal.write("run", str(job.id), job.reservations, os.getpid(), moment())

    def leave_effect(self, context: bgjobs.JobContext) -> None:
        """Write one row, with the completion."""
        context.complete_with(partial(self.write_effect, context.job))
        self.points.reach("handler ends")

    def write_effect(self, job: bgjobs.Job, connection: Any) -> None:
        """Write it on a driver's connection, which is Any."""
        table = self.orders.table(EFFECTS)
        values = f"'{job.id}', {job.reservations:d}, {os.getpid():d}"
        connection.execute(f"insert into {table} values ({values})")


def workers(tools: Tools) -> list[AnyWorker]:
    """Give the workers of a storm; producers use them for their requests only."""
    return [
        _steady(tools),
        _threaded(tools),
        _raiser(tools),
        _snoozer(tools),
        _discarder(tools),
        _slow(tools),
    ]


def scheduled_jobs(tools: Tools) -> list[bgjobs.ScheduledJob]:
    """Give two that run often: one coalesces what it misses, the other one runs all of it."""

    async def beat(context: bgjobs.JobContext) -> None:
        tools.begin(context)
        tools.leave_effect(context)

    every, second = (bgjobs.schedule().every_second().build() for _ in range(2))
    beating, ticking = (bgjobs.worker(name=name)(beat) for name in ("beat", "tick"))
    return [
        bgjobs.ScheduledJob(beating, every, poll_interval=0.5),
        bgjobs.ScheduledJob(ticking, second, poll_interval=0.5, catch_up=1000),
    ]


def _steady(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="steady")
    async def steady(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        await anyio.sleep(milliseconds / 1000)
        tools.leave_effect(context)

    return steady


def _threaded(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="threaded")
    def threaded(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        time.sleep(milliseconds / 1000)
        tools.leave_effect(context)

    return threaded


def _raiser(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="raiser")
    async def raiser(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.attempt < 1 + milliseconds % 2:
            raise HandlerError(REASON)

    return raiser


def _snoozer(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="snoozer")
    async def snoozer(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.job.reservations == 1:
            tools.journal.write("snooze", str(context.job.id))
            raise bgjobs.Snooze(for_=milliseconds / 1000)

    return snoozer


def _discarder(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="discarder")
    async def discarder(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        raise bgjobs.Discard(REASON)

    return discarder


def _slow(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="slow", timeout=0.5)
    async def slow(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.attempt == 0:
            await anyio.sleep_forever()

    return slow
