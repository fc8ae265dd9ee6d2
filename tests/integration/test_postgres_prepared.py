"""Statements are planned once for each connection, where it leads to the server itself."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import ConnectionInfo

from bgjobs._core.ids import new_id
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.postgres import PostgresStore, sessions
from bgjobs.stores.postgres.statements import Step
from tests.fixtures.postgres import drop_schema, random_schema
from tests.fixtures.postgres_jobs import LEASE, open_owner

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
    with store._database.live.borrowed() as connection:
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
    another = property(lambda info: info.pgconn.backend_pid + 1)
    monkeypatch.setattr(ConnectionInfo, "backend_pid", another)
    with opened(postgres_dsn) as store:
        assert prepared(store) == 0


def test_a_server_that_goes_away_while_it_is_asked_is_away(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sessions.identify

    def cut_off(connection: psycopg.Connection[Any], *, ours: bool) -> Step:
        with psycopg.connect(postgres_dsn, autocommit=True) as other:
            pid = connection.info.backend_pid
            other.execute("select pg_terminate_backend(%s, 30000)", (pid,))
        return real(connection, ours=ours)

    monkeypatch.setattr(sessions, "identify", cut_off)
    with pytest.raises(StoreUnavailableError, match="terminating connection"):
        PostgresStore(postgres_dsn, schema="public").open()


def forget_everything(connection: psycopg.Connection[Any]) -> None:
    """Do to a session what is done when a pooler gives a client another one."""
    connection.pgconn.exec_(b"deallocate all")  # unseen by the driver


@pytest.mark.parametrize("wanted", [None, True])
def test_where_prepared_statements_get_lost_all_goes_on_without_them(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture, *, wanted: bool | None
) -> None:
    """As behind a pooler that passes for the server itself."""
    with opened(postgres_dsn, prepared_statements=wanted) as store:
        assert prepared(store) == 1
        with store._database.live.borrowed() as connection:
            forget_everything(connection)
        assert prepared(store) == 0
    [line] = [one.message for one in caplog.records if one.name.startswith("bgjobs")]
    assert "a prepared statement is missing" in line


def test_a_heartbeat_that_lost_its_statement_is_tried_again(postgres_dsn: str) -> None:
    with opened(postgres_dsn) as store:
        owner = open_owner(store)
        for _ in range(4):
            store.heartbeat([owner], LEASE)
        with store._database.live.heartbeat(1.0) as connection:
            forget_everything(connection)
        with pytest.raises(StoreUnavailableError, match="does not exist"):
            store.heartbeat([owner], LEASE)
        for _ in range(4):
            assert store.heartbeat([owner], LEASE).alive == {owner}
        with store._database.live.heartbeat(1.0) as connection:
            assert connection.execute(PREPARED).fetchall() == [(0,)]
