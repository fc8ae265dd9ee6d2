"""The cost of `reserve` and `next_due` does not grow with the priorities of delayed jobs.

Counted are instructions of SQLite's virtual machine, and pages that PostgreSQL reads.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.port import Store
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.sqlite.rows import names_json
from bgjobs.testing.contract.steps import DAY, NOW, SECOND, ask, put, start
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.sqlite import fresh_sqlite_store

pytestmark = pytest.mark.xdist_group("many priorities")

LOWEST, WIDTH = -32_767, 65_535
NAMES = [f"worker-{number:02}" for number in range(50)]
Cost = Callable[[str, dict[str, Any]], int]
"""Counts the rows that a method reads with these values."""


@contextmanager
def sqlite_costs(store: SQLiteStore, path: Path) -> Iterator[Cost]:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:

        def cost(verb: str, values: dict[str, Any]) -> int:
            bound = {
                **values,
                "owner": str(values["owner"]),
                "names": names_json(values["names"]),
                "now": to_microseconds(NOW),
            }
            count = 0

            def counted() -> int:
                nonlocal count
                count += 1
                return 0

            raw.set_progress_handler(counted, 1)
            raw.execute(store._sql[verb][0], bound).fetchall()
            raw.set_progress_handler(None, 1)
            return count

        yield cost


@contextmanager
def postgres_costs(store: PostgresStore, dsn: str) -> Iterator[Cost]:
    with psycopg.connect(dsn) as connection:

        def cost(verb: str, values: dict[str, Any]) -> int:
            explain = b"explain (analyze, buffers, format json) "
            for mode in ("force_custom_plan", "force_generic_plan"):
                connection.execute(f"set local plan_cache_mode = {mode}".encode())
                found = connection.execute(
                    explain + store._sql[verb], {**values, "now": NOW}, prepare=True
                ).fetchone()
                assert found is not None
                plan = found[0][0]["Plan"]
                pages[mode] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            connection.rollback()
            return max(pages.values())

        pages: dict[str, int] = {}
        yield cost


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[str], AbstractContextManager[tuple[Store, Cost]]]:
    """Yield a store, and the function that counts its reads."""

    @contextmanager
    def made(name: str) -> Iterator[tuple[Store, Cost]]:
        if request.param == "sqlite":
            path = tmp_path / f"{name}.db"
            with (
                fresh_sqlite_store(path, synchronous="NORMAL") as store,
                sqlite_costs(store, path) as cost,
            ):
                yield store, cost
        else:
            dsn: str = request.getfixturevalue("postgres_dsn")
            with fresh_postgres_store(dsn) as server, postgres_costs(server, dsn) as cost:
                yield server, cost

    return made


DELAYED = 3000


def fill(store: Store, priorities: int, names: list[str], due: int, last: int) -> None:
    """Store delayed jobs of so many priorities of each name, and due ones of the last."""
    step = WIDTH // priorities
    delayed = [
        ask(
            names[number % len(names)],
            priority=LOWEST + number // len(names) % priorities * step,
            available_in=DAY,
        )
        for number in range(max(DELAYED, priorities))
    ]
    for begin in range(0, len(delayed), 5000):
        put(store, *delayed[begin : begin + 5000])
    put(store, *(ask(names[number % len(names)], priority=last) for number in range(due)))
    # Delayed jobs that are due by now.
    late = (ask(names[0], priority=-LOWEST, available_in=SECOND / 2) for _ in range(due // 40))
    put(store, *late, now=NOW - SECOND)


def costs_of(store: Store, cost: Cost, names: list[str]) -> list[int]:
    values = {"owner": start(store), "names": names, "planned": True}
    reserving = (cost("reserve", {**values, "limit": limit}) for limit in (1, 10, 100))
    return [cost("next_due", values), *reserving]


@pytest.mark.parametrize(
    ("names", "priorities", "due", "last"),
    [
        (NAMES[:1], 1000, 0, 0),
        (NAMES[:1], 1000, 4000, 0),
        (NAMES[:1], 1000, 4000, -LOWEST),
        (NAMES, 60, 4000, -LOWEST),
        (NAMES[:1], WIDTH, 1, -LOWEST),
    ],
    ids=["none due", "default due", "last due", "fifty names", "all priorities"],
)
def test_many_priorities_of_delayed_jobs_cost_no_more_than_a_few(
    fresh: Callable[[str], AbstractContextManager[tuple[Store, Cost]]],
    names: list[str],
    priorities: int,
    due: int,
    last: int,
) -> None:
    costs: list[list[int]] = []
    for number in (10, priorities):
        with fresh(f"priorities-{number}") as (store, cost):
            fill(store, number, names, due, last)
            costs.append(costs_of(store, cost, names))
    assert all(many <= 2 * few for few, many in zip(*costs, strict=True)), costs
