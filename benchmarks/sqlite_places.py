"""SQLite: each place is a file of its own."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final
from uuid import UUID

from attrs import frozen

from benchmarks.places import ROW_ID, Address, Place, Population
from bgjobs import SQLiteStore
from bgjobs.stores.sqlite import codec

JOBS = f"""
with recursive numbers (n) as (
    select :first union all select n + 1 from numbers where n < :last
)
insert into bgjobs_jobs (id, name, payload, priority, created_at, available_at)
select
    '{ROW_ID}' || printf('%012x', n), 'worker_' || (n % :names),
    '{{"i":' || (n - :finished) || ',"t":0}}', 0, :now, :now + :delay + n
from numbers
"""
FINISHED = f"""
with recursive numbers (n) as (
    select :first union all select n + 1 from numbers where n < :last
)
insert into bgjobs_jobs_succeeded (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, succeeded_at, errors
)
select
    '{ROW_ID}' || printf('%012x', n), 'worker_' || (n % :names), '{{"i":1,"t":0}}',
    0, 0, 0, 0, 1, n, n, n, '{ROW_ID}000000000000', n, '[]'
from numbers
"""
FAILED = f"""
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :count)
insert into bgjobs_jobs_failed (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, errors, error, failed_at
)
select
    '{ROW_ID}' || printf('%012x', n), 'worker_' || (n % 10), '{{"i":1,"t":0}}',
    0, 1, 0, 0, 1, n, n, n, '{ROW_ID}000000000000', '[]',
    'TimeoutError: timeout of host ' || (n % 1000)
        || case when n % 100000 = 7 then ' rare' else '' end,
    n
from numbers
"""
SET_APART = f"""
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :count)
insert into bgjobs_jobs_unreadable (
    id, origin, reason, found_at, job_id, name, payload, metadata
)
select
    '{ROW_ID}' || printf('ff%010x', n), 'jobs', 'metadata: expected texts', n,
    '{ROW_ID}' || printf('ff%010x', n), 'worker_1', '[]', '{{'
from numbers
"""
PAST = -1_000_000_000
FUTURE = 86_400_000_000
"""Microseconds from now."""


@final
class SQLitePlace:
    """One file with the default durability."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.store = SQLiteStore(path)
        self.address = Address(options={"store": "sqlite", "path": str(path)})
        self._connection = connection

    def tidy(self) -> None:
        self._connection.execute("analyze")
        self._connection.execute("pragma wal_checkpoint(truncate)")

    def has_live_jobs(self) -> bool:
        [[found]] = self._connection.execute("select exists (select 1 from bgjobs_jobs)")
        return bool(found)

    def hold_still(self) -> None:
        """Do nothing: a file is never vacuumed by itself."""

    def fill(self, population: Population) -> None:
        first = population.finished
        self._insert(FINISHED, 0, population.finished, population)
        self._insert(JOBS, first, population.waiting, population, PAST)
        self._insert(JOBS, first + population.waiting, population.delayed, population, FUTURE)

    def fill_failed(self, failed: int, unreadable: int) -> None:
        for statement, count in ((FAILED, failed), (SET_APART, unreadable)):
            self._connection.execute(statement, {"count": count})
        self.store.open()
        self.store.operations.retry([])  # brings the words of the errors into their index
        self.store.close()

    def _insert(
        self, statement: str, first: int, count: int, population: Population, delay: int = 0
    ) -> None:
        if count:
            values = {
                "first": first,
                "last": first + count - 1,
                "finished": population.finished,
                "names": population.names,
                "delay": delay,
                "now": time.time_ns() // 1000,
            }
            self._connection.execute(statement, values)

    def plan(self, owner: UUID, names: list[str], limit: int) -> str:
        statements = codec.statements("bgjobs_")
        values = {
            "owner": str(owner),
            "names": codec.names_json(names),
            "limit": limit,
            "now": 0,
        }
        steps = self._connection.execute(
            f"explain query plan {statements['find_due'][0]}", values
        ).fetchall()
        depths = {0: 0}
        lines = []
        for step, parent, _, text in steps:
            depths[step] = depths[parent] + 1
            lines.append("  " * depths[parent] + text)
        return "\n".join(lines)


@final
@frozen
class SQLite:
    """A folder of files."""

    name: str
    facts: dict[str, str]

    @contextmanager
    def place(self) -> Iterator[Place]:
        with TemporaryDirectory(prefix="bgjobs-bench-") as folder:
            path = Path(folder, "jobs.db")
            store = SQLiteStore(path)
            store.open()
            store.migrate()
            store.close()
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            with closing(connection):
                yield SQLitePlace(path, connection)


@contextmanager
def sqlite() -> Iterator[SQLite]:
    """Give SQLite as it is installed here."""
    yield SQLite(
        "sqlite",
        {"SQLite": f"{sqlite3.sqlite_version}, file in WAL mode, synchronous=FULL (default)"},
    )
