"""Migrations: several at once, by roles with few rights, and schemas of newer versions."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Barrier

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.columns import BYTES
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import COLUMNS
from bgjobs.stores.types import SCHEMA_VERSION
from tests.fixtures.postgres import execute, schema_of
from tests.fixtures.postgres_jobs import enqueue, requests
from tests.fixtures.stores import MIGRATIONS, opened


@contextmanager
def a_role(dsn: str, schema: str, *statements: str) -> Generator[PostgresStore]:
    """Create a role with some rights, and yield its open store; `%` stands for its name."""
    role = f"r_{schema}"
    made = (f"create role {role} login", *statements)
    execute(dsn, *(one.replace("%", role) for one in made))
    try:
        with opened(PostgresStore(make_conninfo(dsn, user=role), schema=schema)) as store:
            yield store
    finally:
        execute(dsn, f"drop owned by {role} cascade", f"drop role {role}")


def test_an_absent_schema_has_version_0(postgres_dsn: str, schema: str) -> None:
    with opened(PostgresStore(postgres_dsn, schema=schema)) as store:
        for verb in (store.check_schema, store.count):
            with pytest.raises(SchemaMismatchError, match="found 0"):
                verb()


def test_several_migrate_at_once(postgres_dsn: str, schema: str) -> None:
    together = Barrier(8)

    def start(_: int) -> list[str]:
        with opened(PostgresStore(postgres_dsn, schema=schema)) as store:
            together.wait()
            applied = list(store.migrate())
            store.check_schema()
        return applied

    with ThreadPoolExecutor(8) as threads:
        applied = [name for names in threads.map(start, range(8)) for name in names]
    assert sorted(applied) == MIGRATIONS


def test_a_newer_schema_is_refused(postgres_dsn: str, store: PostgresStore) -> None:
    newer = (
        f"insert into {schema_of(store)}.migrations values ({SCHEMA_VERSION + 1}, 'x', now())"
    )
    execute(postgres_dsn, newer)
    for verb in (store.migrate, store.check_schema):
        with pytest.raises(SchemaMismatchError, match="newer version of bgjobs"):
            verb()


def test_a_role_that_may_only_use_the_tables(postgres_dsn: str, store: PostgresStore) -> None:
    schema = schema_of(store)
    rights = (
        f"grant usage on schema {schema} to %",
        f"grant select, insert, update, delete on all tables in schema {schema} to %",
        f"revoke insert, update, delete on {schema}.migrations from %",
    )
    with a_role(postgres_dsn, schema, *rights) as limited:
        limited.check_schema()
        assert limited.migrate() == []
        enqueue(limited, *requests(2))
        assert limited.count().waiting == 2


def test_a_role_migrates_in_a_schema_made_for_it(postgres_dsn: str, schema: str) -> None:
    rights = (f"create schema {schema}", f"grant usage, create on schema {schema} to %")
    with a_role(postgres_dsn, schema, *rights) as store:
        assert store.migrate() == MIGRATIONS


_COUNTS = ("attempts", "crashes", "interruptions", "reservations")
_TIMES = ("created_at", "available_at", "reserved_at")
_ENDS: dict[str, dict[str, object]] = {
    "jobs": {},
    "jobs_succeeded": {"succeeded_at": "now"},
    "jobs_failed": {"failed_at": "now", "error": "ValueError: no"},
    "jobs_cancelled": {"cancelled_at": "now", "cancel_reason": "no", "cancelled_by": "ada"},
}
_OF_ENDS = {"error", "cancel_reason", "cancelled_by"}


def _edges(table: str) -> Iterator[tuple[str, object, bool]]:
    """Yield columns with the last values within their bounds, and the first beyond."""
    unlimited = {"history", "progress", "result"}
    for column in set(BYTES) - unlimited - (_OF_ENDS - set(_ENDS[table])):
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
    postgres_dsn: str, store: PostgresStore, table: str
) -> None:
    """The constraint is written with few parts, the statements with one for each column."""
    usual: dict[str, object] = {"name": "work", "payload": "[]", "errors": "[]", "priority": 0}
    usual |= dict.fromkeys(_COUNTS, 1) | dict.fromkeys(_TIMES, "now") | _ENDS[table]
    within = COLUMNS.fill(f"{{{table.removeprefix('jobs_').replace('jobs', 'job')}_limits}}")
    with psycopg.connect(postgres_dsn, autocommit=True) as raw:
        raw.execute(f"set search_path to {schema_of(store)}".encode())
        raw.execute(f"create temp table free (like {table} including defaults)".encode())
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
