"""Migrations, several at once, by roles with few rights, and schemas from the future."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import SCHEMA_VERSION
from tests.fixtures.postgres import drop_schema, random_schema
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


def test_an_absent_schema_has_version_nought(postgres_dsn: str, schema: str) -> None:
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
