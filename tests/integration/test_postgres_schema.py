"""Migrations: several at once, by roles with few rights, and schemas of newer versions."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier

import psycopg
import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.columns import BYTES
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import COLUMNS
from bgjobs.stores.types import SCHEMA_VERSION
from tests.fixtures.postgres import drop_schema, fresh_postgres_store, random_schema
from tests.fixtures.postgres_jobs import enqueue, requests


@pytest.fixture
def schema(postgres_dsn: str) -> Generator[str]:
    name = random_schema()
    yield name
    drop_schema(postgres_dsn, name)


def _execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_an_absent_schema_has_version_0(postgres_dsn: str, schema: str) -> None:
    store = PostgresStore(postgres_dsn, schema=schema)
    store.open()
    with pytest.raises(SchemaMismatchError, match="found 0"):
        store.check_schema()
    with pytest.raises(SchemaMismatchError, match="found 0"):
        store.count()
    store.close()


def test_several_migrate_at_once(postgres_dsn: str, schema: str) -> None:
    together = Barrier(8)

    def start(_: int) -> list[str]:
        store = PostgresStore(postgres_dsn, schema=schema)
        store.open()
        together.wait()
        applied = list(store.migrate())
        store.check_schema()
        store.close()
        return applied

    with ThreadPoolExecutor(8) as threads:
        applied = [name for names in threads.map(start, range(8)) for name in names]
    assert sorted(applied) == [
        "0001_jobs",
        "0002_schedules",
        "0003_operations",
        "0004_priorities",
        "0005_limits",
    ]


def test_a_newer_schema_is_refused(postgres_dsn: str, schema: str) -> None:
    store = PostgresStore(postgres_dsn, schema=schema)
    store.open()
    store.migrate()
    newer = SCHEMA_VERSION + 1
    _execute(postgres_dsn, f"insert into {schema}.migrations values ({newer}, 'x', now())")
    for verb in (store.migrate, store.check_schema):
        with pytest.raises(SchemaMismatchError, match="newer version of bgjobs"):
            verb()
    store.close()


def test_a_role_that_may_only_use_the_tables(postgres_dsn: str, schema: str) -> None:
    admin = PostgresStore(postgres_dsn, schema=schema)
    admin.open()
    admin.migrate()
    admin.close()
    role = f"r_{schema}"
    _execute(
        postgres_dsn,
        f"create role {role} login",
        f"grant usage on schema {schema} to {role}",
        f"grant select, insert, update, delete on all tables in schema {schema} to {role}",
        f"revoke insert, update, delete on {schema}.migrations from {role}",
    )
    try:
        store = PostgresStore(postgres_dsn.replace("postgres:@", f"{role}@"), schema=schema)
        store.open()
        store.check_schema()
        assert store.migrate() == []
        enqueue(store, *requests(2))
        assert store.count().waiting == 2
        store.close()
    finally:
        _execute(postgres_dsn, f"drop owned by {role}", f"drop role {role}")


def test_a_role_migrates_in_a_schema_made_for_it(postgres_dsn: str, schema: str) -> None:
    role = f"r_{schema}"
    _execute(
        postgres_dsn,
        f"create role {role} login",
        f"create schema {schema}",
        f"grant usage, create on schema {schema} to {role}",
    )
    try:
        store = PostgresStore(postgres_dsn.replace("postgres:@", f"{role}@"), schema=schema)
        store.open()
        assert store.migrate() == [
            "0001_jobs",
            "0002_schedules",
            "0003_operations",
            "0004_priorities",
            "0005_limits",
        ]
        store.close()
    finally:
        _execute(postgres_dsn, f"drop owned by {role} cascade", f"drop role {role}")


_COUNTS = ("attempts", "crashes", "interruptions", "reservations")
_TIMES = ("created_at", "available_at", "reserved_at")
_ENDS: dict[str, dict[str, object]] = {
    "jobs": {},
    "jobs_succeeded": {"succeeded_at": "now"},
    "jobs_failed": {"failed_at": "now", "error": "ValueError: no"},
}


def _edges(table: str) -> Iterator[tuple[str, object, bool]]:
    """Yield columns with the last values within their bounds, and the first beyond."""
    for column in BYTES if "error" in _ENDS[table] else set(BYTES) - {"error"}:
        yield column, "x" * BYTES[column], True
        yield column, "x" * (BYTES[column] + 1), False
        yield column, "", column not in {"name", "unique_key"}
    for column in _COUNTS:
        yield column, LARGEST_COUNT, True
        yield column, LARGEST_COUNT + 1, False
        yield column, -1, False
    for column in (*_TIMES, *(one for one in _ENDS[table] if one.endswith("_at"))):
        yield column, "0001-01-01 00:00:00+00", True
        yield column, "0001-12-31 23:59:59.999999+00 BC", False
        yield column, "9999-12-31 23:59:59.999999+00", True
        yield column, "10000-01-01 00:00:00+00", False


@pytest.mark.parametrize("table", _ENDS)
def test_the_constraint_and_the_statements_have_the_same_bounds(
    postgres_dsn: str, table: str
) -> None:
    """The constraint is written with few parts, the statements with one for each column."""
    usual: dict[str, object] = {"name": "work", "payload": "[]", "errors": "[]", "priority": 0}
    usual |= dict.fromkeys(_COUNTS, 1) | dict.fromkeys(_TIMES, "now") | _ENDS[table]
    within = COLUMNS.fill(f"{{{table.removeprefix('jobs_').replace('jobs', 'job')}_limits}}")
    with (
        fresh_postgres_store(postgres_dsn) as store,
        psycopg.connect(postgres_dsn, autocommit=True) as raw,
    ):
        raw.execute(f"set search_path to {store.label.split()[-1]}".encode())
        raw.execute(f"create temp table free (like {table})".encode())
        for column, value, is_within in _edges(table):
            row = {**usual, "id": new_id(), "reserved_by": new_id(), column: value}
            marks = ", ".join(f"%({one})s" for one in row)
            insert = f"insert into {{}} ({', '.join(row)}) values ({marks})"
            raw.execute(insert.format("free").encode(), row)
            shown = raw.execute(
                f"select {within} from free where id = %s".encode(), [row["id"]]
            )
            assert shown.fetchone() == (is_within,), (column, value)
            with nullcontext() if is_within else pytest.raises(psycopg.errors.CheckViolation):
                raw.execute(insert.format(table).encode(), row)
