"""``nurseries``: jobs in a nursery beside the same jobs alone, and how fast a cancellation is.

One application runs the same jobs in turn without a nursery, as children of a handler, and as
children of the application; in each case it reads all results. Then a second process cancels a
job with a thousand children, of which as many run as there are slots.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from time import monotonic
from uuid import UUID

import anyio
from anyio import fail_after, sleep, sleep_forever, to_thread
from attrs import evolve

import bgjobs
from benchmarks.databases.ports import Address, Database
from benchmarks.report import goals
from benchmarks.report.figures import Figure, table, write_json
from benchmarks.report.goals import Goal

JOBS, CANCELLED, ROUNDS = 10_000, 1_000, 5
SLOTS = 50
LONGEST = 600.0
"""Seconds after which a measurement is given up."""
ALONE, HANDLER, APPLICATION = "without a nursery", "in a handler", "in an application"
CANCELLATION = "cancellation"


@bgjobs.worker(keep_result=True)
async def double(number: int) -> int:
    """Return a result."""
    return 2 * number


@bgjobs.worker(keep_result=True)
async def total(context: bgjobs.JobContext, jobs: int) -> int:
    """Return the sum of the results of children."""
    async with context.open_nursery() as nursery:
        parts = await nursery.enqueue_many(double.request(one) for one in range(jobs))
    return sum(part.result for part in parts)


@bgjobs.worker
async def pause() -> None:
    """Run until cancelled."""
    await sleep_forever()


@bgjobs.worker
async def hold(context: bgjobs.JobContext, jobs: int) -> None:
    """Wait for children that do not end by themselves."""
    async with context.open_nursery() as nursery:
        await nursery.enqueue_many(pause.request() for _ in range(jobs))


def measure_goals(systems: Sequence[str]) -> Sequence[Goal]:
    """Return the goals for each of these stores and event loops."""
    ratios = [
        Goal(
            text=f"{one}, {place} beside {ALONE}",
            ours=(one, place),
            other=(one, ALONE),
            least=0.5,
        )
        for one in systems
        for place in (HANDLER, APPLICATION)
    ]
    bounds = [
        Goal(text=f"{one}, {CANCELLATION} in s", ours=(one, CANCELLATION), most=2.0)
        for one in systems
    ]
    return [*ratios, *bounds]


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    figures: dict[tuple[str, str], Figure] = {}
    todo = [(database, backend) for database in databases for backend in options.backends]
    for number in range(options.rounds or ROUNDS):
        for database, backend in reversed(todo) if number % 2 else todo:
            system = goals.bgjobs_on(database.name, backend)
            print(f"round {number + 1}: {system}", file=sys.stderr, flush=True)
            for (measure, unit), value in _measured(database, backend, options.scale).items():
                new = Figure(system=system, measure=measure, unit=unit)
                figures.setdefault((system, measure), new).values.append(value)
    found = [*figures.values()]
    write_json(options.json, environment, found, kind="nurseries", scale=options.scale)
    rows = [(one.system, one.measure, one.unit, one.text) for one in found]
    print(table(("system", "measure", "unit", "median (min-max)"), rows), end="\n\n")
    systems = list(dict.fromkeys(one.system for one in found))
    verdicts = goals.judge(measure_goals(systems), found)
    print(goals.goals_table(verdicts))
    return int(options.strict and goals.is_missed(verdicts))


def _measured(
    database: Database, backend: str, scale: float
) -> Mapping[tuple[str, str], float]:
    jobs, held = max(100, round(JOBS * scale)), max(10, round(CANCELLED * scale))
    with (
        database.tables() as tables,
        ProcessPoolExecutor(1, get_context("spawn")) as other,
    ):
        rates = anyio.run(_rates, tables.store, jobs, backend=backend)
        cancel = partial(_cancel, tables.address, backend)
        submit = partial(other.submit, cancel)
        seconds = anyio.run(_cancellation, tables.store, held, submit, backend=backend)
    return {
        **{(name, "jobs/s"): rate for name, rate in rates.items()},
        (CANCELLATION, "s"): seconds,
    }


def _config(store: bgjobs.Store) -> bgjobs.Config:
    queue = bgjobs.Queue("bench", workers=[double, total, pause, hold], concurrency=SLOTS)
    return bgjobs.Config(store=store, queues=[queue])


async def _rates(store: bgjobs.Store, jobs: int) -> Mapping[str, float]:
    """Return how many jobs end in a second, from the first request to the last result."""
    ways = {ALONE: _alone, HANDLER: _in_a_handler, APPLICATION: _in_an_application}
    async with bgjobs.run(_config(store)) as bg:
        await _in_a_handler(bg, 100)  # the first statements take longer
        with fail_after(LONGEST):
            return {name: jobs / await _seconds(way, bg, jobs) for name, way in ways.items()}


async def _seconds(
    way: Callable[[bgjobs.BgJobs, int], Awaitable[object]], bg: bgjobs.BgJobs, jobs: int
) -> float:
    started = monotonic()
    await way(bg, jobs)
    return monotonic() - started


async def _alone(bg: bgjobs.BgJobs, jobs: int) -> None:
    await bg.enqueue_many(double.request(one) for one in range(jobs))
    await bg.drain()
    chosen, page = bgjobs.JobFilter("succeeded", name=double.name), bgjobs.Page(1000)
    results = list[object]()
    while len(results) < jobs:
        found = await bg.list(chosen, page)
        results += [one.result for one in found if isinstance(one, bgjobs.SucceededJob)]
        page = evolve(page, after=found.after)


async def _in_a_handler(bg: bgjobs.BgJobs, jobs: int) -> None:
    _check(await bg.result(await bg.enqueue(total.request(jobs))), jobs)


async def _in_an_application(bg: bgjobs.BgJobs, jobs: int) -> None:
    async with bg.open_nursery() as nursery:
        parts = await nursery.enqueue_many(double.request(one) for one in range(jobs))
    _check(sum(part.result for part in parts), jobs)


def _check(found: int, jobs: int) -> None:
    if found != jobs * (jobs - 1):
        raise AssertionError(f"the results of {jobs:,} jobs add up to {found:,}")


async def _cancellation(
    store: bgjobs.Store, jobs: int, cancel: Callable[[UUID], Future[float]]
) -> float:
    """Return how long descendants are live after another process has begun to cancel."""
    async with bgjobs.run(_config(store)) as bg:
        with fail_after(LONGEST):
            parent = await bg.enqueue(hold.request(jobs))
            while len(bg.queue("bench").running) < min(jobs, SLOTS):
                await sleep(0.01)
            begun = await to_thread.run_sync(cancel(parent.id).result)
            while (counts := await bg.count()).waiting or counts.running:
                await sleep(0.01)
            return monotonic() - begun


def _cancel(address: Address, backend: str, job: UUID) -> float:
    """Cancel a job, in another process; return the time of the call."""
    return anyio.run(_cancel_one, address, job, backend=backend)


async def _cancel_one(address: Address, job: UUID) -> float:
    options = address.options
    store: bgjobs.Store
    if options["store"] == "sqlite":
        store = bgjobs.SQLiteStore(options["path"])
    else:
        store = bgjobs.PostgresStore(address.dsn, schema=options["schema"])
    async with bgjobs.connect(_config(store)) as client:
        begun = monotonic()
        await client.admin.cancel(job, reason="measured")
        return begun
