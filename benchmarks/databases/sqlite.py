"""SQLite: each set of bgjobs tables is a file of its own."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from attrs import frozen

from benchmarks.databases.ports import ROW_ID, Address, Population, Tables, opened
from bgjobs import SQLiteStore

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
    0, 0, 0, 0, 1, n, n, n, '{ROW_ID}000000000000', :now + n, '[]'
from numbers
"""
FAILED = f"""
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :count)
insert into bgjobs_jobs_failed (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, errors, error, failed_at
)
select
    '{ROW_ID}' || printf('%012x', :before + n), 'worker_' || (n % 10), '{{"i":1,"t":0}}',
    0, 1, 0, 0, 1, n, n, n, '{ROW_ID}000000000000', '[]',
    'TimeoutError: timeout of host ' || (n % 1000)
        || case when n % 100000 = 7 then ' rare' else '' end,
    n
from numbers
"""
UNREADABLE = f"""
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :count)
insert into bgjobs_jobs_unreadable (
    id, origin, reason, found_at, job_id, name, payload, metadata
)
select
    '{ROW_ID}' || printf('ff%010x', n), 'jobs', 'metadata: expected texts', n,
    '{ROW_ID}' || printf('ff%010x', n), 'worker_1', '[]', '{{'
from numbers
"""
PAST, FUTURE = -1_000_000_000, 86_400_000_000
"""Microseconds from now."""


@final
class SQLiteTables:
    """The bgjobs tables of one file, with the default durability."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.store = SQLiteStore(path)
        self.address = Address(options={"store": "sqlite", "path": str(path)})
        self._connection = connection

    def analyze(self) -> None:
        self._connection.execute("analyze")
        self._connection.execute("pragma wal_checkpoint(truncate)")

    def has_live_jobs(self) -> bool:
        [[found]] = self._connection.execute("select exists (select 1 from bgjobs_jobs)")
        return bool(found)

    def disable_autovacuum(self) -> None:
        """Do nothing: SQLite does not vacuum in the background."""

    def fill(self, population: Population) -> None:
        first = population.finished
        self._insert(FINISHED, 0, population.finished, population)
        self._insert(JOBS, first, population.waiting, population, PAST)
        self._insert(JOBS, first + population.waiting, population.delayed, population, FUTURE)

    def fill_failed(self, failed: int, unreadable: int, before: int = 0) -> None:
        self._connection.execute(FAILED, {"count": failed, "before": before})
        self._connection.execute(UNREADABLE, {"count": unreadable})
        with opened(self):
            # A retry of no jobs adds the words of the new errors to the search index.
            self.store.operations.retry([])

    @contextmanager
    def open_transaction(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.address.options["path"])) as connection:
            connection.execute("begin")
            connection.execute("select count(*) from bgjobs_owners")
            yield

    def server_processes(self) -> Sequence[int]:
        return ()

    def explain(self, statement: str | bytes, values: Mapping[str, Any]) -> str:
        text = statement.decode() if isinstance(statement, bytes) else statement
        steps = self._connection.execute(f"explain query plan {text}", values).fetchall()
        depths = {0: 0}
        lines = []
        for step, parent, _, detail in steps:
            depths[step] = depths[parent] + 1
            lines.append("  " * depths[parent] + detail)
        return "\n".join(lines)

    def _insert(
        self, statement: str, first: int, count: int, population: Population, delay: int = 0
    ) -> None:
        values = {
            "first": first,
            "last": first + count - 1,
            "finished": population.finished,
            "names": population.names,
            "delay": delay,
            "now": time.time_ns() // 1000,
        }
        if count:
            self._connection.execute(statement, values)


@final
@frozen
class SQLite:
    """SQLite as it is installed here; every set of tables is a file in a folder of its own."""

    name: str
    environment: Mapping[str, str]

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        with TemporaryDirectory(prefix="bgjobs-bench-") as folder:
            path = Path(folder, "jobs.db")
            store = SQLiteStore(path)
            store.open()
            store.migrate()
            store.close()
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            with closing(connection):
                yield SQLiteTables(path, connection)


@contextmanager
def sqlite() -> Iterator[SQLite]:
    """Describe SQLite as it is installed here."""
    yield SQLite(
        "sqlite",
        {"SQLite": f"{sqlite3.sqlite_version}, file in WAL mode, synchronous=FULL (default)"},
    )
