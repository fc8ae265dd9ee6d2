"""A store over a pool of the application's, however that is set up."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, NullConnectionPool

from bgjobs._core.jobs import JobRequest
from bgjobs._core.settlements import Fail, Requeue, Succeed
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.port import NewJob
from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.postgres import drop_schema, random_schema
from tests.fixtures.postgres_jobs import LEASE, enqueue, open_owner, requests

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
    schema = random_schema()
    with ConnectionPool(
        dsn, kwargs=kwargs, configure=configure, min_size=1, max_size=2, open=True
    ) as pool:
        with pool.connection() as connection:
            before = _settings(connection)
        store = PostgresStore(pool, schema=schema)
        store.open()
        try:
            store.migrate()
            _use(store)
        finally:
            store.close()
        assert not pool.closed
        with pool.connection() as connection:
            assert _settings(connection) == before
        drop_schema(dsn, schema)


def _settings(connection: psycopg.Connection[Any]) -> tuple[object, ...]:
    return (
        connection.autocommit,
        connection.isolation_level,
        connection.row_factory,
        connection.cursor_factory,
    )


@pytest.mark.parametrize("setup", _SETUPS)
def test_a_pool_of_the_callers(postgres_dsn: str, setup: str) -> None:
    _run(postgres_dsn, None, _SETUPS[setup])


def test_a_pool_with_another_isolation_level(postgres_dsn: str) -> None:
    _run(postgres_dsn, _serializable, {})


def test_a_pool_that_is_not_open(postgres_dsn: str) -> None:
    store = PostgresStore(ConnectionPool(postgres_dsn, open=False))
    with pytest.raises(StoreError, match="your ConnectionPool is not open"):
        store.open()


def test_what_work_sets_on_its_connection_does_not_stay(postgres_dsn: str) -> None:
    schema = random_schema()
    store = PostgresStore(postgres_dsn, schema=schema, pool_size=1)
    store.open()

    def work(connection: psycopg.Connection[Any]) -> None:
        connection.row_factory = dict_row
        connection.cursor_factory = psycopg.ClientCursor

    try:
        store.migrate()
        enqueue(store, *requests(2))
        one, two = store.reserve(open_owner(store), ["work"], 2)
        assert store.complete(one.reservation, work)
        seen: list[object] = []

        def look(connection: psycopg.Connection[Any]) -> None:
            seen.append(connection.execute("select 1").fetchone())

        assert store.complete(two.reservation, look)
        assert seen == [(1,)]
    finally:
        store.close()
        drop_schema(postgres_dsn, schema)


def test_a_drained_pool_does_not_starve_the_heartbeat(postgres_dsn: str) -> None:
    schema = random_schema()
    with ConnectionPool(postgres_dsn, min_size=1, max_size=1, open=True) as pool:
        store = PostgresStore(pool, schema=schema)
        store.open()
        store.migrate()
        owner = open_owner(store)
        with pool.connection():
            assert store.heartbeat([owner], LEASE).alive == {owner}
        store.close()
    drop_schema(postgres_dsn, schema)


def test_a_pool_without_a_limit(postgres_dsn: str) -> None:
    schema = random_schema()
    with NullConnectionPool(postgres_dsn, open=True) as pool:
        assert pool.max_size == 0
        store = PostgresStore(pool, schema=schema)
        assert store.connections == 4
        store.open()
        store.migrate()
        _use(store)
        store.close()
    drop_schema(postgres_dsn, schema)


def test_a_pool_that_is_closed_before_the_store_does_not_come_back(postgres_dsn: str) -> None:
    pool = ConnectionPool(postgres_dsn, min_size=1, max_size=1, open=True)
    store = PostgresStore(pool)
    store.open()
    pool.close()
    with pytest.raises(StoreError, match="closed") as caught:
        store.count()
    assert not isinstance(caught.value, StoreUnavailableError)
    store.close()
