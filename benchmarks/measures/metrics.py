"""What each metric means. Every system is measured by this code, or by its twin for Node."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from time import monotonic, monotonic_ns
from typing import Any

import anyio
from anyio import to_thread

from benchmarks.processes import parameters as names
from benchmarks.processes.messages import say
from benchmarks.processes.parameters import Plan
from benchmarks.processes.parent import Process, worker_command
from benchmarks.report.figures import quantile
from benchmarks.systems.base import Client, System

WARM_UP = 50
ELSEWHERE = 10_000_000
"""Numbers of jobs that no worker is meant to run begin here."""
BATCH = 1000
TASKS = 100
WARM_PICKUPS = 20
SETTLING = 1.0
"""Seconds that an idle worker gets before the first of the jobs it is timed with."""
STARTING = 60.0
DRAINING = 150.0
SETTLED = 30.0
"""Seconds that may pass from the last handler until the store shows nothing unfinished."""
LOOK = 0.005


async def measure(system: System, plan: Plan) -> None:
    """Take all figures that are wanted and that the system has, and say each."""
    say("system", version=system.version, config=dict(system.config))
    takers = {
        names.ENQUEUE_ONE: enqueue_one,
        names.ENQUEUE_TASKS: enqueue_tasks,
        names.ENQUEUE_MANY: enqueue_many,
        names.DRAIN: drain,
        names.PICKUP: pickup,
    }
    lacking = {
        names.ENQUEUE_TASKS: not system.has_tasks,
        names.ENQUEUE_MANY: not system.has_many,
    }
    for metric in plan.metrics:
        if not lacking.get(metric):
            await takers[metric](system, plan)


def figure(metric: str, value: float, unit: str) -> None:
    say("figure", metric=metric, value=value, unit=unit)


async def enqueue_one(system: System, plan: Plan) -> None:
    """One task, each call awaited before the next, no worker running."""
    async with _fresh_client(system) as client:
        await _one_by_one(client, ELSEWHERE, WARM_UP, monotonic() + plan.sizes.cap)
        started = monotonic()
        done = await _one_by_one(client, 0, plan.sizes.one, started + plan.sizes.cap)
        taken = monotonic() - started
    _check_live(system, WARM_UP + done)
    figure(names.ENQUEUE_ONE, done / taken, "jobs/s")


async def enqueue_tasks(system: System, plan: Plan) -> None:
    """A hundred tasks that do the same at the same time."""
    counts: list[int] = []

    async def enqueue(first: int, end: float) -> None:
        counts.append(await _one_by_one(client, first, share, end, look=1))

    share = max(1, plan.sizes.many // TASKS)
    async with _fresh_client(system) as client:
        await _one_by_one(client, ELSEWHERE, WARM_UP, monotonic() + plan.sizes.cap)
        started = monotonic()
        async with anyio.create_task_group() as tasks:
            for number in range(TASKS):
                tasks.start_soon(enqueue, number * share, started + plan.sizes.cap)
        taken = monotonic() - started
    _check_live(system, WARM_UP + sum(counts))
    figure(names.ENQUEUE_TASKS, sum(counts) / taken, "jobs/s")


async def enqueue_many(system: System, plan: Plan) -> None:
    """A thousand jobs a call, one call after the other."""
    async with _fresh_client(system) as client:
        await client.enqueue_many([(ELSEWHERE + i, 0) for i in range(WARM_UP)])
        done, started = 0, monotonic()
        while done < plan.sizes.many and monotonic() - started < plan.sizes.cap:
            await client.enqueue_many([(done + i, 0) for i in range(BATCH)])
            done += BATCH
        taken = monotonic() - started
    _check_live(system, WARM_UP + done)
    figure(names.ENQUEUE_MANY, done / taken, "jobs/s")


async def drain(system: System, plan: Plan) -> None:
    """One worker process runs what is stored.

    The time goes from the first handler, so that starting up is left out, until another
    connection sees nothing unfinished, so that every job counts when its end is committed.
    """
    jobs = plan.sizes.drain
    async with _fresh_client(system) as client:
        await _preload(system, client, jobs)
    system.site.tidy()
    async with _worker(plan, jobs) as worker:
        found = await _told(worker, "all", DRAINING)
        end = monotonic() + SETTLED
        while left := system.site.ask(system.live):
            if monotonic() > end:
                raise AssertionError(f"{left} jobs are unfinished {SETTLED:g} s after the last")
            await anyio.sleep(LOOK)
        taken = (monotonic_ns() - found["first"]) / 1e9
        await to_thread.run_sync(worker.interrupt)
    _check_runs(system, jobs, found)
    figure(names.DRAIN, jobs / taken, "jobs/s")
    figure(names.DRAIN_CPU, found["cpu"] / jobs * 1e6, "us/job")


async def pickup(system: System, plan: Plan) -> None:
    """From just before an enqueue here to the first statement of an idle worker's handler."""
    jobs = WARM_PICKUPS + plan.sizes.pickups
    random = Random(plan.round)
    async with _fresh_client(system) as client, _worker(plan, jobs) as worker:
        await _told(worker, "ready", STARTING)
        await anyio.sleep(SETTLING)
        for i in range(jobs):
            await client.enqueue(i, monotonic_ns())
            await anyio.sleep(random.uniform(0.010, 0.020))
        found = await _told(worker, "all", STARTING)
    if found["again"]:
        raise AssertionError(f"{found['again']} jobs ran more than once")
    late = [nanos / 1e6 for nanos in found["late"][WARM_PICKUPS:]]
    for part, metric in (
        (0.50, names.PICKUP_P50),
        (0.95, names.PICKUP_P95),
        (0.99, names.PICKUP_P99),
    ):
        figure(metric, quantile(late, part), "ms")


@asynccontextmanager
async def _fresh_client(system: System) -> AsyncIterator[Client]:
    system.site.fresh()
    await system.install()
    async with system.client() as client:
        yield client


@asynccontextmanager
async def _worker(plan: Plan, jobs: int) -> AsyncIterator[Process]:
    worker = Process(worker_command(plan, jobs, jobs), plan.errors)
    try:
        yield worker
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(worker.stop)


async def _told(worker: Process, event: str, seconds: float) -> dict[str, Any]:
    return await to_thread.run_sync(partial(worker.wait, event, seconds))


async def _one_by_one(
    client: Client, first: int, jobs: int, end: float, look: int = WARM_UP
) -> int:
    """Enqueue until they are done or the time is over, which is looked at now and then."""
    for number in range(jobs):
        await client.enqueue(first + number, 0)
        if not (number + 1) % look and monotonic() > end:
            return number + 1
    return jobs


async def _preload(system: System, client: Client, jobs: int) -> None:
    if not system.has_many:
        await _one_by_one(client, 0, jobs, sys.float_info.max)
        return
    for first in range(0, jobs, BATCH):
        await client.enqueue_many([(i, 0) for i in range(first, min(jobs, first + BATCH))])


def _check_live(system: System, jobs: int) -> None:
    found = system.site.ask(system.live)
    if found != jobs:
        raise AssertionError(f"expected {jobs} stored jobs, found {found}")


def _check_runs(system: System, jobs: int, found: Mapping[str, Any]) -> None:
    if found["again"] or found["seen"] != jobs:
        raise AssertionError(f"{found['seen']} of {jobs} jobs ran, {found['again']} again")
    if system.ended and (ended := system.site.ask(system.ended)) != jobs:
        raise AssertionError(f"expected {jobs} finished jobs, found {ended}")
