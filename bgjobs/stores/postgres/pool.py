"""The store's own pool, which connects in the thread of the caller that needs a connection.

So the first call after an outage succeeds, and a call during an outage fails at once with the
driver's message. A pool with a thread of its own, such as psycopg_pool's, waits longer after
each failed attempt, and does not learn that the server is back.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Lock
from time import monotonic
from typing import Any, Protocol, final
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

AnyConnection = psycopg.Connection[Any]
"""A caller's pool may have connections with any row factory, hence Any."""

LONGEST_WAIT = 3.0
"""Seconds that a call waits while all connections are in use."""
LONGEST_IDLE = 600.0
"""Seconds after which an idle connection is closed."""
LONGEST_LIFE = 3600.0
"""Seconds after which a connection is replaced, so that processes spread over new servers."""


class Pool(Protocol):
    """Lends connections."""

    def getconn(self) -> AnyConnection:
        """Return a connection; the caller checks whether it is still alive."""
        ...

    def putconn(self, conn: AnyConnection) -> None:
        """Take a connection back, closed or not."""
        ...


@final
class OwnConnections:
    """At most `size` connections, made by `connect`; the one used last is lent first.

    A connection that comes back while callers wait goes to the first of them. Otherwise the
    thread that returned it would often take it again before a waiting one is awake.
    """

    def __init__(self, connect: Callable[[], AnyConnection], size: int) -> None:
        self._connect = connect
        self._size = size
        self._lock = Lock()
        self._waiting: deque[Future[AnyConnection | None]] = deque()
        """Callers in the order in which they came; then none is idle, and there is no room."""
        self._idle: list[tuple[float, AnyConnection]] = []
        """Idle connections and since when they are idle, the longest first."""
        self._made: WeakKeyDictionary[AnyConnection, float] = WeakKeyDictionary()
        self._count = 0
        """How many are idle, lent, or being made."""
        self._renewed_at = 0.0
        self._closed = False

    def getconn(self) -> AnyConnection:
        """Return a connection; raise the driver's error if it cannot connect."""
        idle = self._idle_or_room()
        if idle is not None:
            return idle
        began = monotonic()
        try:
            connection = self._connect()
        except BaseException:
            with self._lock:
                self._leave()
            raise
        with self._lock:
            self._made[connection] = began
        return connection

    def putconn(self, conn: AnyConnection) -> None:
        """Take a connection back; close it if it is outdated."""
        now = monotonic()
        with self._lock:
            if conn.closed or self._closed or self._is_outdated(conn, now):
                self._leave()
                conn.close()
                return
            if self._waiting:
                self._waiting.popleft().set_result(conn)
                return
            self._idle.append((now, conn))
            since, longest = self._idle[0]
            if now - since > LONGEST_IDLE:
                del self._idle[0]
                self._leave()
                longest.close()

    def renew(self) -> None:
        """Close the idle connections now, and the lent ones when they come back."""
        with self._lock:
            self._renewed_at = monotonic()
            self._close_idle()

    def close(self) -> None:
        """Close as `renew` does, and lend no connection from now on."""
        with self._lock:
            self._closed = True
            self._close_idle()
            while self._waiting:
                self._waiting.popleft().set_exception(_closed())

    def _idle_or_room(self) -> AnyConnection | None:
        """Return an idle connection, or None when there is room to make one."""
        with self._lock:
            if self._closed:
                raise _closed()
            if self._idle:
                return self._idle.pop()[1]
            if self._count < self._size:
                self._count += 1
                return None
            place = Future[AnyConnection | None]()
            self._waiting.append(place)
        return self._wait(place)

    def _wait(self, place: Future[AnyConnection | None]) -> AnyConnection | None:
        try:
            wait((place,), LONGEST_WAIT)
        finally:  # also after a KeyboardInterrupt
            with self._lock:
                if not place.done():
                    self._waiting.remove(place)
        if not place.done():
            raise PoolTimeout(f"no connection was free within {LONGEST_WAIT:g} s")
        return place.result()

    def _is_outdated(self, connection: AnyConnection, now: float) -> bool:
        made = self._made.get(connection, 0.0)
        return made < self._renewed_at or now - made > LONGEST_LIFE

    def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for _, connection in idle:
            self._leave()
            connection.close()

    def _leave(self) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._count -= 1


def _closed() -> PoolClosed:
    return PoolClosed("the pool is closed")
