"""The server that all tests of PostgreSQL share."""

import psycopg

from tests.fixtures.postgres import drop_schema, fresh_postgres_store, random_schema


def test_a_store_has_a_schema_of_its_own_and_drops_it(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as one, fresh_postgres_store(postgres_dsn) as two:
        schemas = [store.label.split()[-1] for store in (one, two)]
        assert _existing(postgres_dsn, schemas) == 2
    assert _existing(postgres_dsn, schemas) == 0


def test_dropping_what_is_not_there(postgres_dsn: str) -> None:
    drop_schema(postgres_dsn, random_schema())


def _existing(dsn: str, schemas: list[str]) -> int:
    query = "select count(*) from pg_namespace where nspname = any(%s)"
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query, [schemas]).fetchone()
    assert row is not None
    count: int = row[0]
    return count
