"""What is told of a schema that is older than this bgjobs, before anybody migrates it."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.postgres import drop_schema, random_schema

NAMES = ["0001_jobs", "0002_schedules", "0003_operations", "0004_priorities", "0005_limits"]


@pytest.fixture
def schema(postgres_dsn: str) -> Generator[str]:
    schema = random_schema()
    yield schema
    drop_schema(postgres_dsn, schema)


def check_pending(store: OperatedStore) -> str:
    """Look at an empty database, twice; give what would make its tables."""
    admin = store.operations
    assert (admin.schema_version(), admin.schema_version()) == (0, 0)
    pending = admin.pending_migrations()
    assert [one.name for one in pending] == NAMES
    assert "create" not in repr(pending)
    return "".join(one.sql for one in pending)


def test_the_pending_migrations_of_a_file_make_its_tables(sqlite_path: Path) -> None:
    store = SQLiteStore(sqlite_path, table_prefix="t_")
    store.open()
    script = check_pending(store)
    with closing(sqlite3.connect(":memory:")) as by_hand, closing(store):
        by_hand.executescript(script)
        store.migrate()
        found = "select name, sql from sqlite_schema where name not like '%failure_words_%'"
        with closing(sqlite3.connect(sqlite_path)) as migrated:
            expected = set(migrated.execute(found))
            assert set(by_hand.execute(found)) == expected
            with migrated:
                migrated.execute("delete from t_migrations where version >= 3")
        assert store.operations.schema_version() == 2
        assert [one.name for one in store.operations.pending_migrations()] == NAMES[2:]


def test_the_pending_migrations_of_a_server_make_its_tables(
    postgres_dsn: str, schema: str
) -> None:
    store = PostgresStore(postgres_dsn, schema=schema)
    store.open()
    script = check_pending(store)
    found = b"select tablename from pg_catalog.pg_tables where schemaname = %s"
    with psycopg.connect(postgres_dsn) as connection, closing(store):
        connection.execute(f'create schema "{schema}"'.encode())
        connection.execute(script.encode())
        by_hand = set(connection.execute(found, [schema]))
        connection.rollback()
        store.migrate()
        assert set(connection.execute(found, [schema])) == by_hand
        connection.execute(f'delete from "{schema}".migrations where version >= 3'.encode())
        connection.commit()
        assert store.operations.schema_version() == 2
        assert [one.name for one in store.operations.pending_migrations()] == NAMES[2:]
