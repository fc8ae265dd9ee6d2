"""`reserve` returns the first jobs in order, at a cost that does not depend on priorities.

The cost of `reserve` and `next_due` is counted in instructions of the virtual machine of
SQLite, and in pages that PostgreSQL reads. It does not grow with the priorities of delayed
jobs.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bgjobs._core.jobs import Job
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.port import Store
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.sqlite.codec import names_json
from bgjobs.testing.contract.steps import DAY, NOW, SECOND, TICK, ask, ids, put, start, take
from tests.fixtures.databases import Database
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.stores import migrated

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
            name = "find_due" if verb == "reserve" else verb
            raw.execute(store._executor.sql[name][0], bound).fetchall()
            raw.set_progress_handler(None, 1)
            return count

        yield cost


@contextmanager
def postgres_costs(store: PostgresStore, dsn: str) -> Iterator[Cost]:
    with psycopg.connect(dsn) as connection:

        def cost(verb: str, values: dict[str, Any]) -> int:
            explain = b"explain (analyze, buffers, format json) "
            given = {"after": [], "after_ids": [], **values, "now": NOW}
            for mode in ("force_custom_plan", "force_generic_plan"):
                connection.execute(f"set local plan_cache_mode = {mode}".encode())
                found = connection.execute(
                    explain + store._sql[verb], given, prepare=True
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


@pytest.mark.xdist_group("many priorities")
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


_LIMITS = (1, 2, 3, 7, 20, 100, 1000)


def _filled(store: Store, chance: random.Random, names: list[str]) -> list[Job]:
    """Store jobs, mostly of a few names, due at few or many times, some of them delayed."""
    priorities = chance.sample(range(-3, 4), chance.randint(1, 5))
    instants = chance.choice((1, 3, 1000))
    late = chance.choice((0, 0.1, 0.9))
    weights = [chance.choice((1, 1, 5, 50)) for _ in names]
    shift = {name: chance.choice((0, 0, 500)) for name in names}
    asked = []
    for name in chance.choices(names, weights, k=chance.randint(0, 600)):
        delay = DAY if chance.random() < late else timedelta(0)
        instant = NOW - (chance.randrange(instants) + shift[name]) * TICK + delay
        asked.append(ask(name, priority=chance.choice(priorities), available_at=instant))
    return list(put(store, *asked))


def _best(waiting: list[Job], names: list[str], limit: int) -> list[UUID]:
    due = [job for job in waiting if job.name in names and job.available_at <= NOW]
    due.sort(key=lambda job: (job.priority, job.available_at, job.id))
    return ids(due[:limit])


@pytest.mark.parametrize("seed", range(25))
def test_reserve_takes_the_first_jobs_in_order(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"worker-{number}" for number in range(chance.choice((1, 2, 5, 50)))]
    with migrated(database.store()) as store:
        waiting = _filled(store, chance, names)
        owner = start(store)
        for _ in range(12):
            wanted = chance.sample(names, chance.randint(1, len(names)))
            limit = chance.choice(_LIMITS)
            taken = ids(take(store, owner, wanted, limit))
            assert taken == _best(waiting, wanted, limit)
            waiting = [job for job in waiting if job.id not in set(taken)]
