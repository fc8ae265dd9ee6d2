"""The workload: handlers, and the records that each run leaves.

The journal gets a line when a run begins. A job that succeeds writes one row, its effect, in
the transaction that completes it. No constraint prevents a second row, so it would be found.
Its last progress is the number of its reservation.
"""

import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, final

import anyio
from attrs import frozen

import bgjobs
from bgjobs._core.config import AnyWorker
from bgjobs.errors import StoreError
from tests.reliability.chaos.processes.stores import FaultPoints
from tests.reliability.chaos.settings import Journal, ProcessSettings, monotonic

EFFECTS = "chaos_effects"
ENDS = "chaos_ends"
KEEPING = "threaded"
"""The worker that keeps results: the keys of its jobs."""
TREE = "tree"
"""The worker whose jobs open nurseries, down to `LEVELS` below the first."""
LEVELS, CHILDREN = 2, 2
"""How deep trees are, and how many children each job has above the last level."""
EXPECTED_ERROR = "expected by the chaos run"
FAILING_SHARE = 11
"""Of so many jobs, the middleware fails the first run of one."""


class HandlerError(Exception):
    """The error that these handlers raise."""


@final
@frozen
class Tools:
    """Everything that the handlers of a process use."""

    settings: ProcessSettings
    journal: Journal
    fault_points: FaultPoints

    def begin(self, context: bgjobs.JobContext) -> None:
        """Write the start of a run to the journal."""
        job = context.job
        self.fault_points.reach("handler begins")
        self.journal.write("run", str(job.id), job.reservations, os.getpid(), monotonic())

    def leave_effect(self, context: bgjobs.JobContext) -> None:
        """Write the effect in the transaction that completes the job."""
        self.complete(context, partial(self.write_effect, context.job))
        self.fault_points.reach("handler ends")

    def complete(self, context: bgjobs.JobContext, work: Callable[[Any], None]) -> None:
        """Complete the job with this work, which writes the effect."""
        context.complete_with(work)
        context.report_progress_sync(context.job.reservations)

    def write_end(self, connection: Any, job: bgjobs.FailedJob) -> None:
        """Write that a job has failed, in the transaction in which it does."""
        table = self.settings.table(ENDS)
        connection.execute(f"insert into {table} values ('{job.id}')")
        self.fault_points.reach("end written")

    @asynccontextmanager
    async def around(
        self, job: bgjobs.Job, _context: bgjobs.JobContext
    ) -> AsyncGenerator[None]:
        """Fail the first run of some jobs after their handler has returned."""
        yield
        if job.reservations == 1 and job.id.int % FAILING_SHARE == 0:
            raise HandlerError(EXPECTED_ERROR)

    def write_effect(self, job: bgjobs.Job, connection: Any) -> None:
        """Write the effect on a connection of either driver, hence Any."""
        table = self.settings.table(EFFECTS)
        values = f"'{job.id}', {job.reservations:d}, {os.getpid():d}"
        connection.execute(f"insert into {table} values ({values})")


def workers(tools: Tools) -> list[AnyWorker]:
    """Return the workers; producers use them only to make requests."""
    steady = _steady(tools)
    return [
        steady,
        _threaded(tools),
        _raiser(tools),
        _snoozer(tools),
        _discarder(tools),
        _slow(tools),
        _waiter(tools, steady),
        _tree(tools),
    ]


def scheduled_jobs(tools: Tools) -> list[bgjobs.ScheduledJob]:
    """Return two jobs that run every second; one coalesces late runs, one makes them up."""

    async def beat(context: bgjobs.JobContext) -> None:
        tools.begin(context)
        tools.leave_effect(context)

    every, second = (bgjobs.schedule().every_second().build() for _ in range(2))
    beating, ticking = (bgjobs.worker(name=name)(beat) for name in ("beat", "tick"))
    for worker in (beating, ticking):
        worker.on_failure(tools.write_end)
    return [
        bgjobs.ScheduledJob(beating, every, poll_interval=0.5),
        bgjobs.ScheduledJob(ticking, second, poll_interval=0.5, catch_up=1000),
    ]


def _steady(tools: Tools) -> bgjobs.Worker[[str, int], bgjobs.NotKept]:
    @bgjobs.worker(name="steady")
    async def steady(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        async for _ in context.progress(range(milliseconds)):
            await anyio.sleep(0.001)
        tools.leave_effect(context)

    return steady


def _threaded(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name=KEEPING, keep_result=True)
    def threaded(context: bgjobs.JobContext, key: str, milliseconds: int) -> str:
        tools.begin(context)
        for _ in context.progress(range(milliseconds)):
            time.sleep(0.001)
        tools.leave_effect(context)
        return key

    return threaded


def _raiser(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="raiser")
    async def raiser(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.attempt < 2 + milliseconds % 2:
            raise HandlerError(EXPECTED_ERROR)

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
        raise bgjobs.Discard(EXPECTED_ERROR)

    return discarder


def _slow(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="slow", timeout=0.5)
    async def slow(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.attempt == 1:
            await anyio.sleep_forever()

    return slow


def _waiter(tools: Tools, steady: bgjobs.Worker[[str, int], bgjobs.NotKept]) -> AnyWorker:
    @bgjobs.worker(name="waiter")
    async def waiter(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        """Wait for a job of another worker, which has a place meanwhile."""
        tools.begin(context)
        with suppress(StoreError):  # then it goes on without it
            child = steady.request(f"child-{key}-{context.job.reservations}", milliseconds)
            job = await context.client.enqueue(child)
            await context.client.wait_for(job)
        tools.leave_effect(context)

    return waiter


def level_of(key: str) -> int:
    """Return how deep in its tree the job of this key is."""
    return key.count("/")


def size_below(level: int) -> int:
    """Return how many jobs a tree has from a job of this level on: what that job returns."""
    return sum(CHILDREN**depth for depth in range(LEVELS - level + 1))


def _tree(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name=TREE, keep_result=True)
    async def tree(context: bgjobs.JobContext, key: str, milliseconds: int) -> int:
        """Start the jobs of the next level, and return the number of jobs from here on."""
        tools.begin(context)
        below = CHILDREN if level_of(key) < LEVELS else 0
        requests = [tree.request(f"{key}/{number}", milliseconds) for number in range(below)]
        async with context.open_nursery() as nursery:
            children = await nursery.enqueue_many(requests)
            tools.fault_points.reach("children started")
            await anyio.sleep(milliseconds / 1000)
        tools.leave_effect(context)
        return 1 + sum(child.result for child in children)

    return tree
