"""What each metric means. `harness.mjs` of the peers measures the same in Node."""

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
from benchmarks.processes.cpu import cpu_seconds_of_all
from benchmarks.processes.messages import send
from benchmarks.processes.parameters import Parameters
from benchmarks.processes.parent import Process, worker_command
from benchmarks.report.figures import quantile
from benchmarks.systems.base import Client, System

WARM_UP = 50
WARM_UP_NUMBER = 10_000_000
"""The number of the first warm-up job; workers do not run these."""
BATCH = 1000
TASKS = 100
WARM_PICKUPS = 20
IDLE = 1.0
"""Seconds that a worker is idle before its first pickup."""
START_TIMEOUT = 60.0
DRAIN_TIMEOUT = 150.0
COMMIT_TIMEOUT = 30.0
"""Seconds from the last handler until the database contains no unfinished job."""
POLL = 0.005


async def measure(system: System, parameters: Parameters) -> None:
    """Measure the wanted metrics that the system has, and send each figure to the parent."""
    send("system", version=system.version, config=dict(system.config))
    functions = {
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
    for metric in parameters.metrics:
        if not lacking.get(metric):
            await functions[metric](system, parameters)


def figure(metric: str, value: float, unit: str) -> None:
    send("figure", metric=metric, value=value, unit=unit)


async def enqueue_one(system: System, parameters: Parameters) -> None:
    """One task that waits for each call before the next; no worker is running."""
    sizes = parameters.sizes
    async with _fresh_client(system) as client:
        await _one_by_one(client, WARM_UP_NUMBER, WARM_UP, monotonic() + sizes.time_limit)
        started = monotonic()
        done = await _one_by_one(client, 0, sizes.one, started + sizes.time_limit)
        taken = monotonic() - started
    _check_live(system, WARM_UP + done)
    figure(names.ENQUEUE_ONE, done / taken, "jobs/s")


async def enqueue_tasks(system: System, parameters: Parameters) -> None:
    """A hundred tasks at once, each of which enqueues one by one."""
    counts: list[int] = []

    async def enqueue(first: int, end: float) -> None:
        counts.append(await _one_by_one(client, first, share, end, check_every=1))

    sizes = parameters.sizes
    share = max(1, sizes.many // TASKS)
    async with _fresh_client(system) as client:
        await _one_by_one(client, WARM_UP_NUMBER, WARM_UP, monotonic() + sizes.time_limit)
        started = monotonic()
        async with anyio.create_task_group() as tasks:
            for number in range(TASKS):
                tasks.start_soon(enqueue, number * share, started + sizes.time_limit)
        taken = monotonic() - started
    _check_live(system, WARM_UP + sum(counts))
    figure(names.ENQUEUE_TASKS, sum(counts) / taken, "jobs/s")


async def enqueue_many(system: System, parameters: Parameters) -> None:
    """A thousand jobs in each call, one call after the other."""
    sizes = parameters.sizes
    async with _fresh_client(system) as client:
        await client.enqueue_many([(WARM_UP_NUMBER + i, 0) for i in range(WARM_UP)])
        done, started = 0, monotonic()
        while done < sizes.many and monotonic() - started < sizes.time_limit:
            await client.enqueue_many([(done + i, 0) for i in range(BATCH)])
            done += BATCH
        taken = monotonic() - started
    _check_live(system, WARM_UP + done)
    figure(names.ENQUEUE_MANY, done / taken, "jobs/s")


async def drain(system: System, parameters: Parameters) -> None:
    """One worker process runs all stored jobs.

    The time starts at the first handler, which leaves out the start of the process, and ends
    when another connection sees no unfinished job: a job counts once its end is committed.
    """
    jobs = parameters.sizes.drain
    async with _fresh_client(system) as client:
        await _preload(system, client, jobs)
    system.scratch.analyze()
    before = cpu_seconds_of_all(system.scratch.server_processes())
    async with _worker(parameters, jobs) as worker:
        found = await _message(worker, "finished", DRAIN_TIMEOUT)
        end = monotonic() + COMMIT_TIMEOUT
        while left := system.scratch.query_number(system.live):
            if monotonic() > end:
                raise AssertionError(
                    f"{left} jobs are unfinished {COMMIT_TIMEOUT:g} s after the last handler"
                )
            await anyio.sleep(POLL)
        taken = (monotonic_ns() - found["first"]) / 1e9
        servers = system.scratch.server_processes()
        of_server = cpu_seconds_of_all(servers) - before
        await to_thread.run_sync(worker.interrupt)
    _check_runs(system, jobs, found)
    figure(names.DRAIN, jobs / taken, "jobs/s")
    figure(names.DRAIN_CPU, found["cpu"] / jobs * 1e6, "us/job")
    if servers:
        figure(names.DRAIN_SERVER_CPU, of_server / jobs * 1e6, "us/job")


async def pickup(system: System, parameters: Parameters) -> None:
    """The time from an enqueue here to the first statement of the handler in an idle worker."""
    jobs = WARM_PICKUPS + parameters.sizes.pickups
    random = Random(parameters.round)
    async with _fresh_client(system) as client, _worker(parameters, jobs) as worker:
        await _message(worker, "ready", START_TIMEOUT)
        await anyio.sleep(IDLE)
        for i in range(jobs):
            await client.enqueue(i, monotonic_ns())
            await anyio.sleep(random.uniform(0.010, 0.020))
        found = await _message(worker, "finished", START_TIMEOUT)
    if found["repeated"]:
        raise AssertionError(f"{found['repeated']} jobs ran more than once")
    latencies = [nanos / 1e6 for nanos in found["latencies"][WARM_PICKUPS:]]
    for part, metric in (
        (0.50, names.PICKUP_P50),
        (0.95, names.PICKUP_P95),
        (0.99, names.PICKUP_P99),
    ):
        figure(metric, quantile(latencies, part), "ms")


@asynccontextmanager
async def _fresh_client(system: System) -> AsyncIterator[Client]:
    system.scratch.recreate()
    await system.install()
    async with system.client() as client:
        yield client


@asynccontextmanager
async def _worker(parameters: Parameters, jobs: int) -> AsyncIterator[Process]:
    worker = Process(worker_command(parameters, jobs, jobs), parameters.errors)
    try:
        yield worker
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(worker.stop)


async def _message(worker: Process, event: str, seconds: float) -> dict[str, Any]:
    return await to_thread.run_sync(partial(worker.wait, event, seconds))


async def _one_by_one(
    client: Client, first: int, jobs: int, end: float, check_every: int = WARM_UP
) -> int:
    """Enqueue `jobs`, or fewer when the time is over; return how many."""
    for number in range(jobs):
        await client.enqueue(first + number, 0)
        if not (number + 1) % check_every and monotonic() > end:
            return number + 1
    return jobs


async def _preload(system: System, client: Client, jobs: int) -> None:
    if not system.has_many:
        await _one_by_one(client, 0, jobs, sys.float_info.max)
        return
    for first in range(0, jobs, BATCH):
        await client.enqueue_many([(i, 0) for i in range(first, min(jobs, first + BATCH))])


def _check_live(system: System, jobs: int) -> None:
    found = system.scratch.query_number(system.live)
    if found != jobs:
        raise AssertionError(f"expected {jobs} stored jobs, found {found}")


def _check_runs(system: System, jobs: int, found: Mapping[str, Any]) -> None:
    if found["repeated"] or found["ran"] != jobs:
        raise AssertionError(f"{found['ran']} of {jobs} jobs ran, {found['repeated']} again")
    if system.ended and (ended := system.scratch.query_number(system.ended)) != jobs:
        raise AssertionError(f"expected {jobs} finished jobs, found {ended}")
