"""Statements are planned once for each connection, where it leads to the server itself."""

from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from bgjobs.errors import StoreUnavailableError
from bgjobs.ids import new_id
from bgjobs.stores.postgres import PostgresStore, source
from tests.fixtures.postgres import drop_schema, random_schema

PREPARED = b"select count(*) from pg_catalog.pg_prepared_statements where statement ~ 'update'"


@contextmanager
def opened(dsn: str, **settings: Any) -> Generator[PostgresStore]:
    schema = random_schema()
    store = PostgresStore(dsn, schema=schema, pool_size=1, **settings)
    store.open()
    try:
        store.migrate()
        yield store
    finally:
        store.close()
        drop_schema(dsn, schema)


def prepared(store: PostgresStore) -> int:
    for _ in range(4):
        store.reserve(new_id(), ["mail"], 10)
    with store._calls.live.borrowed() as connection:
        [[found]] = connection.execute(PREPARED).fetchall()
    return int(found)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, 1), ({"prepared_statements": True}, 1), ({"prepared_statements": False}, 0)],
    ids=["unless said", "wanted", "forbidden"],
)
def test_a_statement_that_comes_again_is_prepared(
    postgres_dsn: str, settings: dict[str, Any], expected: int
) -> None:
    with opened(postgres_dsn, **settings) as store:
        assert prepared(store) == expected


def test_behind_a_pooler_no_statement_is_prepared(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler names a process that is not the one which answers."""
    real = source._is_direct

    def pooled(connection: Any) -> bool:
        info = SimpleNamespace(backend_pid=connection.info.backend_pid + 1)
        return real(SimpleNamespace(execute=connection.execute, info=info))  # type: ignore[arg-type]  # what of it is asked

    monkeypatch.setattr(source, "_is_direct", pooled)
    with opened(postgres_dsn) as store:
        assert prepared(store) == 0


def test_a_server_that_goes_away_while_it_is_asked_is_away(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = source._is_direct

    def cut_off(connection: psycopg.Connection[Any]) -> bool:
        with psycopg.connect(postgres_dsn, autocommit=True) as other:
            pid = connection.info.backend_pid
            other.execute("select pg_terminate_backend(%s, 30000)", (pid,))
        return real(connection)

    monkeypatch.setattr(source, "_is_direct", cut_off)
    with pytest.raises(StoreUnavailableError, match="terminating connection"):
        PostgresStore(postgres_dsn, schema="public").open()
