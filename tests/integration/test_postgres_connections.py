"""A store's connections: a pool of the application's, and prepared statements."""

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import ConnectionInfo
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, NullConnectionPool

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Fail, Requeue, Succeed
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres import PostgresStore, sessions
from bgjobs.stores.postgres.statements import Step
from bgjobs.stores.types import NewJob
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import LEASE, enqueue, open_owner, requests

opened = partial(fresh_postgres_store, pool_size=1)
_DATE_STYLE = "-c DateStyle=SQL,DMY -c IntervalStyle=sql_standard -c TimeZone=Europe/Berlin"
_SETUPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "autocommit": {"autocommit": True},
    "dict rows": {"row_factory": dict_row},
    "client cursors": {"cursor_factory": psycopg.ClientCursor},
    "raw cursors": {"cursor_factory": psycopg.RawCursor},
    "server set to serializable": {"options": "-c default_transaction_isolation=serializable"},
    "other styles": {"options": _DATE_STYLE},
    "no prepared statements": {"prepare_threshold": None},
}


def _serializable(connection: psycopg.Connection[Any]) -> None:
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE


def _use(store: PostgresStore) -> None:
    new = enqueue(store, *requests(4), JobRequest("work", "5").available_in(days=400))
    owner = open_owner(store)
    jobs = store.reserve(owner, ["work"], 10)
    assert [job.id for job in jobs] == [job.id for job in new[:4]]
    assert new[4].available_at - new[4].created_at == LEASE * (400 * 24 * 12)
    one, two, three, four = (job.reservation for job in jobs)
    written = store.write(
        [NewJob(one.job_id, JobRequest("work", "again"))],
        [
            Succeed(one),
            Fail(reservation=two, error="no", attempts=1, crashes=0, interruptions=0),
        ],
    )
    assert written.lost == []
    back = Requeue(reservation=three, attempts=1, crashes=0, interruptions=0)
    assert store.write(settle=[back]).lost == []
    assert store.complete(four, lambda connection: connection.execute("select 1"))
    assert store.heartbeat([owner], LEASE).alive == {owner}
    assert store.count().succeeded == 2
    found = store.find(two.job_id)
    assert found is not None
    assert found.created_at.utcoffset() == LEASE * 0


def _run(dsn: str, configure: Callable[..., None] | None, kwargs: dict[str, Any]) -> None:
    with ConnectionPool(
        dsn, kwargs=kwargs, configure=configure, min_size=1, max_size=2, open=True
    ) as pool:
        with pool.connection() as connection:
            before = _settings(connection)
        with fresh_postgres_store(dsn, pool) as store:
            _use(store)
        assert not pool.closed
        with pool.connection() as connection:
            assert _settings(connection) == before


def _settings(connection: psycopg.Connection[Any]) -> tuple[object, ...]:
    return (
        connection.autocommit,
        connection.isolation_level,
        connection.row_factory,
        connection.cursor_factory,
    )


@pytest.mark.parametrize("setup", _SETUPS)
def test_a_pool_of_the_application(postgres_dsn: str, setup: str) -> None:
    _run(postgres_dsn, None, _SETUPS[setup])


def test_a_pool_with_another_isolation_level(postgres_dsn: str) -> None:
    _run(postgres_dsn, _serializable, {})


def test_a_pool_that_is_not_open(postgres_dsn: str) -> None:
    store = PostgresStore(ConnectionPool(postgres_dsn, open=False))
    with pytest.raises(StoreError, match="your ConnectionPool is not open"):
        store.open()


def test_what_work_sets_on_its_connection_does_not_stay(postgres_dsn: str) -> None:
    seen: list[object] = []

    def work(connection: psycopg.Connection[Any]) -> None:
        connection.row_factory = dict_row
        connection.cursor_factory = psycopg.ClientCursor

    def look(connection: psycopg.Connection[Any]) -> None:
        seen.append(connection.execute("select 1").fetchone())

    with opened(postgres_dsn) as store:
        enqueue(store, *requests(2))
        one, two = store.reserve(open_owner(store), ["work"], 2)
        assert store.complete(one.reservation, work)
        assert store.complete(two.reservation, look)
    assert seen == [(1,)]


def test_a_drained_pool_does_not_starve_the_heartbeat(postgres_dsn: str) -> None:
    with (
        ConnectionPool(postgres_dsn, min_size=1, max_size=1, open=True) as pool,
        fresh_postgres_store(postgres_dsn, pool) as store,
    ):
        owner = open_owner(store)
        with pool.connection():
            assert store.heartbeat([owner], LEASE).alive == {owner}


def test_a_pool_without_a_limit(postgres_dsn: str) -> None:
    with (
        NullConnectionPool(postgres_dsn, open=True) as pool,
        fresh_postgres_store(postgres_dsn, pool) as store,
    ):
        assert (pool.max_size, store.connections) == (0, 4)
        _use(store)


def test_a_pool_that_is_closed_before_the_store_is_a_permanent_error(postgres_dsn: str) -> None:
    pool = ConnectionPool(postgres_dsn, min_size=1, max_size=1, open=True)
    store = PostgresStore(pool)
    store.open()
    pool.close()
    with pytest.raises(StoreError, match="closed") as caught:
        store.count()
    assert not isinstance(caught.value, StoreUnavailableError)
    store.close()


PREPARED = b"select count(*) from pg_catalog.pg_prepared_statements where statement ~ 'update'"


def prepared(store: PostgresStore) -> int:
    for _ in range(4):
        store.reserve(new_id(), ["mail"], 10)
    with store._database.live.borrowed() as connection:
        [[found]] = connection.execute(PREPARED).fetchall()
    return int(found)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, 1), ({"prepared_statements": True}, 1), ({"prepared_statements": False}, 0)],
    ids=["by default", "wanted", "forbidden"],
)
def test_a_repeated_statement_is_prepared(
    postgres_dsn: str, settings: dict[str, Any], expected: int
) -> None:
    with opened(postgres_dsn, **settings) as store:
        assert prepared(store) == expected


def test_behind_a_pooler_no_statement_is_prepared(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler reports the id of a process that is not the one that answers."""
    another = property(lambda info: info.pgconn.backend_pid + 1)
    monkeypatch.setattr(ConnectionInfo, "backend_pid", another)
    with opened(postgres_dsn) as store:
        assert prepared(store) == 0


def test_a_server_that_is_lost_while_a_session_is_examined_is_unavailable(
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
    """Leave the session as a client finds it when the pooler gives it another one."""
    connection.pgconn.exec_(b"deallocate all")  # past the driver


@pytest.mark.parametrize("wanted", [None, True])
def test_lost_prepared_statements_are_not_prepared_again(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture, *, wanted: bool | None
) -> None:
    """As behind a pooler that looks like the server itself."""
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
