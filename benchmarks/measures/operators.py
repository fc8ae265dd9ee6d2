"""What operators wait for: pages, searches, one job and counts, on many failed jobs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, final
from uuid import UUID

import anyio
from attrs import field, frozen

import bgjobs
from benchmarks.databases.ports import ROW_ID, Database, Place
from benchmarks.report.figures import Figure, quantile, table

UNREADABLE = 1_000
"""Rows that are no jobs and were set apart."""
GOAL = 100.0
"""Milliseconds for each look."""
WARM_UP = 2

Look = Callable[[bgjobs.Admin], Awaitable[Any]]


@final
@frozen
class Looks:
    """Everything that was measured on one database."""

    database: str
    figures: Sequence[Figure]

    @property
    def report(self) -> str:
        """One line for each look."""
        header = [f"{self.database}: ms a look", "median", "p95", "worst"]
        rows = [[one.measure, *map(_text, _summary(one.values))] for one in self.figures]
        return table(header, rows)

    @property
    def slow(self) -> list[str]:
        """The looks whose median is beyond the goal."""
        return [one.measure for one in self.figures if one.median > GOAL]


def measure(database: Database, failed: int, rounds: int, calls: int) -> Looks:
    """Fill the tables and look at them, each look in turn."""
    with database.place() as place:
        place.fill_failed(failed, UNREADABLE)
        place.tidy()
        values = anyio.run(partial(_measured, place, rounds, calls), backend="trio")
    figures = [
        Figure(system=database.name, measure=name, unit="ms", values=taken)
        for name, taken in values.items()
    ]
    return Looks(database.name, figures)


async def _measured(place: Place, rounds: int, calls: int) -> dict[str, list[float]]:
    config = bgjobs.Config(store=place.store, enqueue_only=[_never])
    values = dict[str, list[float]]()
    async with bgjobs.administer(config) as admin:
        looks = await _looks(admin)
        for number in range(-WARM_UP, rounds * calls):
            for name, look in looks.items():
                started = perf_counter()
                await look(admin)
                if number >= 0:
                    values.setdefault(name, []).append((perf_counter() - started) * 1e3)
    return values


@bgjobs.worker
def _never() -> None: ...


async def _looks(admin: bgjobs.Admin) -> Mapping[str, Look]:
    """Return the looks; those that go on behind others find out here where."""
    first = await admin.list("failed")
    found = await admin.list("failed", search="timeout")
    middle = UUID(int=(first[0].id.int + int(UUID(f"{ROW_ID}000000000000"))) // 2)
    return {
        "first page of failed jobs": _Listed(),
        "the page behind it": _Listed(page=bgjobs.Page().behind(first)),
        "a page in the middle": _Listed(page=bgjobs.Page(after=middle)),
        "failed jobs of one worker": _Listed(name="worker_1"),
        "search: a word of all": _Listed(search="timeout"),
        "search: the page behind": _Listed(search="timeout", page=bgjobs.Page().behind(found)),
        "search: a word of a few": _Listed(search="rare"),
        "search: a word of none": _Listed(search="nothing"),
        "search: of one worker": _Listed(name="worker_1", search="timeout"),
        "search: the beginning of a word": _Listed(search="time*"),
        "one job": lambda admin: admin.get(first[0].id),
        "the beginning of an id": lambda admin: admin.find_ids(str(first[0].id)[:13]),
        "counts": lambda admin: admin.count(),
        "counts of one worker": lambda admin: admin.count(["worker_1"]),
        "a page of unreadable rows": lambda admin: admin.unreadable(),
    }


@final
@frozen
class _Listed:
    """Lists failed jobs."""

    name: str | None = None
    search: str | None = None
    page: bgjobs.Page = field(factory=bgjobs.Page)

    async def __call__(self, admin: bgjobs.Admin) -> object:
        return await admin.list("failed", name=self.name, search=self.search, page=self.page)


def _summary(values: Sequence[float]) -> tuple[float, float, float]:
    return quantile(values, 0.5), quantile(values, 0.95), max(values)


def _text(milliseconds: float) -> str:
    return f"{milliseconds:,.1f}"
