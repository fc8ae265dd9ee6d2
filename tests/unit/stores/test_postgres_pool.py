"""The pool of a PostgreSQL store, without a server."""

from typing import Any, cast

import pytest
from psycopg_pool import PoolClosed, PoolTimeout

from bgjobs.stores.postgres import pool as module
from bgjobs.stores.postgres.pool import AnyConnection, OwnConnections


class Fake:
    """A connection, as far as the pool is concerned."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Server:
    """Counts the connections, and refuses them while it is away."""

    def __init__(self) -> None:
        self.made: list[Fake] = []
        self.away = False

    def connect(self) -> AnyConnection:
        if self.away:
            raise OSError("away")
        self.made.append(Fake())
        return cast("AnyConnection", self.made[-1])


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def pool(server: Server, monkeypatch: pytest.MonkeyPatch) -> OwnConnections:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)
    return OwnConnections(server.connect, 2)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def given_back(pool: OwnConnections, count: int) -> list[Any]:
    lent = [pool.getconn() for _ in range(count)]
    for one in lent:
        pool.putconn(one)
    return lent


def test_nothing_is_connected_before_it_is_wanted(pool: OwnConnections, server: Server) -> None:
    assert server.made == []
    given_back(pool, 1)
    given_back(pool, 1)
    assert len(server.made) == 1


def test_the_connection_that_was_used_last_is_lent_first(pool: OwnConnections) -> None:
    _, last = given_back(pool, 2)
    assert pool.getconn() is last


def test_no_more_are_lent_than_it_has(pool: OwnConnections, server: Server) -> None:
    first, _ = pool.getconn(), pool.getconn()
    with pytest.raises(PoolTimeout, match="no connection was free"):
        pool.getconn()
    pool.putconn(first)
    assert pool.getconn() is first
    assert len(server.made) == 2


def test_a_closed_connection_makes_room_for_another(
    pool: OwnConnections, server: Server
) -> None:
    for _ in range(5):
        connection = pool.getconn()
        connection.close()
        pool.putconn(connection)
    assert len(server.made) == 5
    given_back(pool, 2)


def test_each_call_tries_to_connect_to_an_unreachable_server(
    pool: OwnConnections, server: Server
) -> None:
    server.away = True
    for _ in range(5):
        with pytest.raises(OSError, match="away"):
            pool.getconn()
    server.away = False
    given_back(pool, 2)


def test_after_a_renewal_no_connection_of_before_is_lent(
    pool: OwnConnections, server: Server
) -> None:
    given_back(pool, 2)
    lent = pool.getconn()
    pool.renew()
    pool.putconn(lent)
    assert [one.closed for one in server.made] == [True, True]
    given_back(pool, 2)
    assert [one.closed for one in server.made] == [True, True, False, False]


def test_a_connection_that_is_not_used_for_long_is_closed(
    pool: OwnConnections, server: Server, now: list[float]
) -> None:
    given_back(pool, 2)
    for _ in range(20):
        now[0] += module.LONGEST_IDLE / 10
        given_back(pool, 1)
    assert sorted(one.closed for one in server.made) == [False, True]
    given_back(pool, 2)


def test_an_old_connection_is_replaced(
    pool: OwnConnections, server: Server, now: list[float]
) -> None:
    connection = pool.getconn()
    now[0] += module.LONGEST_LIFE + 1
    pool.putconn(connection)
    given_back(pool, 1)
    assert [one.closed for one in server.made] == [True, False]


def test_a_closed_pool_lends_no_connection_and_closes_returned_ones(
    pool: OwnConnections, server: Server
) -> None:
    given_back(pool, 2)
    lent = pool.getconn()
    pool.close()
    pool.putconn(lent)
    assert all(one.closed for one in server.made)
    with pytest.raises(PoolClosed):
        pool.getconn()
