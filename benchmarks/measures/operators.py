"""``operators``: the duration of pages, searches, lookups and counts on many failed jobs."""

import argparse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any, final
from uuid import UUID

import anyio
from attrs import field, frozen

import bgjobs
from benchmarks.databases.ports import ROW_ID, Database, Tables
from benchmarks.report.figures import Figure, quantile, table, write_json

UNREADABLE = 1_000
"""Rows that cannot be read, in a table of their own."""
GOAL = 100.0
"""The median in milliseconds that each query stays below."""
WARM_UP = 2

Query = Callable[[bgjobs.Client], Awaitable[Any]]


@final
@frozen
class Result:
    """The figures of one database."""

    database: str
    figures: Sequence[Figure]

    @property
    def report(self) -> str:
        """A table with a row for each query."""
        header = [f"{self.database}: ms a query", "median", "p95", "worst"]
        rows = [[one.measure, *map(_text, _summary(one.values))] for one in self.figures]
        return table(header, rows)

    @property
    def slow(self) -> list[str]:
        """The queries whose median misses the goal."""
        return [one.measure for one in self.figures if one.median > GOAL]


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    print(f"{options.rows:,} failed jobs and {UNREADABLE:,} unreadable rows\n")
    rounds = options.rounds or 1
    results = [measure(one, options.rows, rounds, options.calls) for one in databases]
    print("\n\n".join(one.report for one in results), end="\n\n")
    figures = chain.from_iterable(one.figures for one in results)
    write_json(options.json, environment, figures, kind="operators")
    slow = [f"MISSED: {one.database}, {query}" for one in results for query in one.slow]
    print("\n".join(slow) or f"The median of each query is below {GOAL:g} ms.")
    return int(options.strict and bool(slow))


def measure(database: Database, failed: int, rounds: int, calls: int) -> Result:
    """Fill the tables and run the queries in turn."""
    with database.tables() as tables:
        tables.fill_failed(failed, UNREADABLE)
        tables.analyze()
        values = anyio.run(partial(_durations, tables, rounds, calls), backend="trio")
    figures = [
        Figure(system=database.name, measure=name, unit="ms", values=taken)
        for name, taken in values.items()
    ]
    return Result(database.name, figures)


async def _durations(tables: Tables, rounds: int, calls: int) -> dict[str, list[float]]:
    config = bgjobs.Config(store=tables.store, enqueue_only=[_never])
    values = dict[str, list[float]]()
    async with bgjobs.connect(config) as client:
        queries = await _queries(client)
        for number in range(-WARM_UP, rounds * calls):
            for name, query in queries.items():
                started = perf_counter()
                await query(client)
                if number >= 0:
                    values.setdefault(name, []).append((perf_counter() - started) * 1e3)
    return values


@bgjobs.worker
def _never() -> None: ...


async def _queries(client: bgjobs.Client) -> Mapping[str, Query]:
    """Return the queries by name; the first pages, which others continue, are read here."""
    first = await client.list(bgjobs.JobFilter("failed"))
    found = await client.list(bgjobs.JobFilter("failed", search="timeout"))
    middle = UUID(int=(first[0].id.int + int(UUID(f"{ROW_ID}000000000000"))) // 2)
    return {
        "first page of failed jobs": _List(),
        "the page after it": _List(page=bgjobs.Page().behind(first)),
        "a page in the middle": _List(page=bgjobs.Page(after=middle)),
        "failed jobs of one worker": _List(name="worker_1"),
        "failed jobs of a queue without any": _List(queue="another"),
        "search: a word of all": _List(search="timeout"),
        "search: the page after": _List(search="timeout", page=bgjobs.Page().behind(found)),
        "search: a word of a few": _List(search="rare"),
        "search: a word of none": _List(search="nothing"),
        "search: of one worker": _List(name="worker_1", search="timeout"),
        "search: the beginning of a word": _List(search="time*"),
        "one job": lambda client: client.find(first[0].id),
        "the beginning of an id": lambda client: client.admin.find_ids(str(first[0].id)[:13]),
        "counts": lambda client: client.count(),
        "counts of one worker": lambda client: client.count(["worker_1"]),
        "a page of unreadable rows": lambda client: client.list(bgjobs.JobFilter("unreadable")),
    }


@final
@frozen
class _List:
    """Lists failed jobs."""

    name: str | None = None
    search: str | None = None
    queue: str | None = None
    page: bgjobs.Page = field(factory=bgjobs.Page)

    async def __call__(self, client: bgjobs.Client) -> object:
        wanted = bgjobs.JobFilter(
            "failed", name=self.name, search=self.search, queue=self.queue
        )
        return await client.list(wanted, self.page)


def _summary(values: Sequence[float]) -> tuple[float, float, float]:
    return quantile(values, 0.5), quantile(values, 0.95), max(values)


def _text(milliseconds: float) -> str:
    return f"{milliseconds:,.1f}"
