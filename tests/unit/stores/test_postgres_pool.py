"""The pool of a PostgreSQL store, without a server."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
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


@contextmanager
def waiting(
    pool: OwnConnections, monkeypatch: pytest.MonkeyPatch
) -> Generator[Callable[[], Future[AnyConnection]]]:
    """Lend a function that starts a thread, and returns when it waits for a connection."""
    begun = SimpleQueue[None]()

    def noted(*arguments: Any) -> Any:
        begun.put(None)
        return wait(*arguments)

    monkeypatch.setattr(module, "LONGEST_WAIT", 60)
    monkeypatch.setattr(module, "wait", noted)
    with ThreadPoolExecutor() as threads:

        def start() -> Future[AnyConnection]:
            called = threads.submit(pool.getconn)
            begun.get(timeout=60)
            return called

        yield start


def test_a_returned_connection_goes_to_the_caller_that_waits_longest(
    pool: OwnConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = [pool.getconn(), pool.getconn()]
    with waiting(pool, monkeypatch) as start:
        first, second, third = start(), start(), start()
        for connection in lent:
            pool.putconn(connection)
        assert [first.result(60), second.result(60)] == lent
        monkeypatch.setattr(module, "LONGEST_WAIT", 0)
        with pytest.raises(PoolTimeout):
            pool.getconn()
        pool.putconn(lent[1])
        assert third.result(60) is lent[1]


def test_a_caller_that_waits_connects_itself_when_there_is_room(
    pool: OwnConnections, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = [pool.getconn(), pool.getconn()]
    with waiting(pool, monkeypatch) as start:
        called = start()
        lent[0].close()
        pool.putconn(lent[0])
        assert called.result(60) not in lent
    assert len(server.made) == 3


def test_a_caller_that_gave_up_waiting_gets_no_connection(pool: OwnConnections) -> None:
    lent = given_back(pool, 2)
    pool.getconn(), pool.getconn()
    with pytest.raises(PoolTimeout):
        pool.getconn()
    pool.putconn(lent[0])
    assert pool.getconn() is lent[0]


def test_callers_that_wait_are_told_when_the_pool_is_closed(
    pool: OwnConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = [pool.getconn(), pool.getconn()]
    with waiting(pool, monkeypatch) as start:
        called = start()
        pool.close()
        with pytest.raises(PoolClosed, match="the pool is closed"):
            called.result(60)
    for connection in lent:
        pool.putconn(connection)
        assert connection.closed


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
